! SPDX-License-Identifier: BSD-3-Clause
! Callbacks of consumers and producers: which bytes of an event's data are wanted, and which partition
! an event goes to. Programs use the module mofka.
module mofka_callbacks
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int64
    use mofka_c
    use mofka_base
    implicit none
    private
    public :: mofka_selection, mofka_select, mofka_choose

    ! The selected bytes of an event's data: at first all. Each call selects among those that are
    ! selected. Offsets count from 0.
    type :: mofka_selection
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: bytes => selection_bytes
        ! none(): no bytes.
        procedure :: none => selection_none
        ! part(offset, bytes): those of `bytes` bytes from an offset on that exist.
        procedure :: part => selection_part
        ! strided(offset, count, block, gap): `count` blocks of `block` bytes, with gaps between them.
        procedure :: strided => selection_strided
        ! pieces(offsets, bytes): ascending, and without overlap.
        procedure :: pieces => selection_pieces
    end type

    abstract interface
        ! Select the wanted bytes of an event's data. `status` is mofka_ok; an error fails the pull of
        ! this event.
        subroutine mofka_select(metadata, data, status)
            import :: mofka_selection
            character(*), intent(in) :: metadata
            type(mofka_selection), intent(inout) :: data
            integer, intent(inout) :: status
        end subroutine
        ! Choose the partition of an event, from 0 to partitions - 1. `requested`: that of the push, or
        ! mofka_any_partition. `status` is mofka_ok; an error refuses the event.
        subroutine mofka_choose(metadata, requested, partitions, partition, status)
            character(*), intent(in) :: metadata
            integer, intent(in) :: requested, partitions
            integer, intent(inout) :: partition, status
        end subroutine
    end interface

contains

    ! ---- what the library calls --------------------------------------------------------------------

    integer(c_int) function call_select(context, metadata, full, selected) bind(c, name='mofka_fortran_select')
        type(c_ptr), value :: context, metadata, full
        type(c_ptr), intent(out) :: selected
        procedure(mofka_select), pointer :: select
        type(mofka_selection) :: data
        type(c_ptr) :: text
        integer(c_size_t) :: bytes
        integer :: status
        call c_f_procpointer(transfer(context, c_null_funptr), select)
        data%handle = mofka_data_descriptor_retain(full)
        text = mofka_metadata_text(metadata, bytes)
        status = mofka_ok
        call select(text_of_bytes(text, bytes), data, status)
        if (status /= mofka_ok) call data%none()
        selected = data%handle
        call_select = int(status, c_int)
    end function

    integer(c_int) function call_choose(address, metadata, bytes, requested, partitions, partition) &
        bind(c, name='mofka_fortran_choose')
        type(c_funptr), value :: address
        type(c_ptr), value :: metadata
        integer(c_size_t), value :: bytes
        integer(c_int64_t), value :: requested, partitions
        integer(c_int64_t), intent(out) :: partition
        procedure(mofka_choose), pointer :: choose
        integer :: chosen, status
        call c_f_procpointer(address, choose)
        chosen = 0
        status = mofka_ok
        call choose(text_of_bytes(metadata, bytes), int(requested), int(partitions), chosen, status)
        partition = chosen
        call_choose = int(status, c_int)
    end function

    ! ---- selections --------------------------------------------------------------------------------

    integer(int64) function selection_bytes(this)
        class(mofka_selection), intent(in) :: this
        selection_bytes = 0
        if (c_associated(this%handle)) selection_bytes = mofka_data_descriptor_size(this%handle)
    end function

    subroutine selection_none(this)
        class(mofka_selection), intent(inout) :: this
        call mofka_data_descriptor_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    ! The selection becomes another one, unless that could not be made.
    subroutine selection_become(this, made, status, error)
        class(mofka_selection), intent(inout) :: this
        type(c_ptr), intent(in) :: made
        integer(c_int), intent(in) :: status
        integer, intent(out), optional :: error
        if (status == mofka_ok) then
            call this%none()
            this%handle = made
        end if
        call report(status, 'select data', error)
    end subroutine

    subroutine selection_part(this, offset, bytes, error)
        class(mofka_selection), intent(inout) :: this
        integer(int64), intent(in) :: offset, bytes
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_data_descriptor_sub_view_clamped(this%handle, int(offset, c_size_t), int(bytes, c_size_t), made)
        call selection_become(this, made, status, error)
    end subroutine

    subroutine selection_strided(this, offset, count, block, gap, error)
        class(mofka_selection), intent(inout) :: this
        integer(int64), intent(in) :: offset, count, block, gap
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_data_descriptor_strided_view(this%handle, int(offset, c_size_t), int(count, c_size_t), &
            int(block, c_size_t), int(gap, c_size_t), made)
        call selection_become(this, made, status, error)
    end subroutine

    subroutine selection_pieces(this, offsets, bytes, error)
        class(mofka_selection), intent(inout) :: this
        integer(int64), intent(in) :: offsets(:), bytes(:)
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        integer(c_size_t), allocatable :: ranges(:, :)
        made = c_null_ptr
        if (size(offsets) == size(bytes)) then
            allocate (ranges(2, size(offsets)))
            ranges(1, :) = offsets
            ranges(2, :) = bytes
            status = mofka_data_descriptor_unstructured_view(this%handle, ranges, size(offsets, kind=c_size_t), made)
        else
            status = mofka_fortran_fail(int(mofka_err_invalid, c_int), c_text('as many offsets as sizes are needed'))
        end if
        call selection_become(this, made, status, error)
    end subroutine

end module mofka_callbacks
