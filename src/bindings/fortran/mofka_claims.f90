! SPDX-License-Identifier: BSD-3-Clause
! Claims: memory for one event, which the program fills where consumers read it. Programs use the
! module mofka.
module mofka_claims
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mofka_c
    use mofka_base
    use mofka_producers, only: mofka_producer, mofka_future
    implicit none
    private
    public :: mofka_claim

    ! It ends by commit or abort, and the producer cannot be closed before that. A copy is the same
    ! claim, and is not used after that.
    type :: mofka_claim
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: create => claim_create
        ! point(pointer): let a pointer to an array of rank 1 show the memory for its data, until the
        ! claim ends. The memory is not zeroed.
        generic :: point => point_int8, point_int32, point_int64, point_real32, point_real64, point_complex32, &
            point_complex64
        procedure, private :: point_int8, point_int32, point_int64, point_real32, point_real64, point_complex32, &
            point_complex64
        procedure :: metadata_bytes_max => claim_metadata_bytes_max
        procedure :: data_bytes => claim_data_bytes
        ! Whether its memory is in the partition, and consumers still wait for it.
        procedure :: is_in_place => claim_is_in_place
        procedure :: commit => claim_commit
        procedure :: abort => claim_abort
        procedure :: is_set => claim_is_set
    end type

contains

    ! Claim memory for one event: for its metadata at most, and exactly for its data.
    subroutine claim_create(this, producer, metadata_bytes_max, data_bytes, partition, error)
        class(mofka_claim), intent(inout) :: this
        type(mofka_producer), intent(in) :: producer
        integer, intent(in) :: metadata_bytes_max
        integer(int64), intent(in) :: data_bytes
        integer, intent(in), optional :: partition
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        integer(c_size_t) :: where_to
        where_to = mofka_any_partition
        if (present(partition)) where_to = partition
        if (this%is_set()) then
            status = mofka_fortran_fail(int(mofka_err_busy, c_int), c_text('the claim is open: commit or abort it'))
        else if (metadata_bytes_max < 0 .or. data_bytes < 0 .or. where_to < -1) then
            status = mofka_fortran_fail(int(mofka_err_range, c_int), &
                c_text('the sizes of a claim, and its partition, are not negative'))
        else
            status = mofka_producer_claim(producer%handle, int(metadata_bytes_max, c_size_t), &
                                          int(data_bytes, c_size_t), where_to, made)
        end if
        if (status == mofka_ok) this%handle = made
        call report(status, 'claim', error)
    end subroutine

    integer(c_int) function claim_check(this)
        class(mofka_claim), intent(in) :: this
        claim_check = mofka_ok
        if (.not. this%is_set()) &
            claim_check = mofka_fortran_fail(int(mofka_err_invalid, c_int), c_text('there is no claim'))
    end function

    ! Publish the event, with this metadata. After an error that commit can mend, such as a time-out or
    ! metadata that are too long, the claim is open (is_set); after others it has ended.
    subroutine claim_commit(this, metadata, future, error)
        class(mofka_claim), intent(inout) :: this
        character(*), intent(in) :: metadata
        type(mofka_future), intent(inout), optional :: future
        integer, intent(out), optional :: error
        type(c_ptr), target :: made
        type(c_ptr) :: wanted
        integer(c_int) :: status
        made = c_null_ptr
        wanted = c_null_ptr
        if (present(future)) wanted = c_loc(made)
        status = claim_check(this)
        if (status == mofka_ok) then
            status = mofka_fortran_claim_commit(this%handle, metadata, len_trim(metadata, c_size_t), wanted)
            if (all(status /= [mofka_err_invalid, mofka_err_timeout, mofka_err_busy, mofka_err_memory])) &
                this%handle = c_null_ptr
        end if
        if (present(future) .and. c_associated(made)) then
            call future%release()
            future%handle = made
        end if
        call report(status, 'commit', error)
    end subroutine

    ! Give the event up.
    subroutine claim_abort(this)
        class(mofka_claim), intent(inout) :: this
        call mofka_claim_abort(this%handle)
        this%handle = c_null_ptr
    end subroutine

    integer function claim_metadata_bytes_max(this)
        class(mofka_claim), intent(in) :: this
        claim_metadata_bytes_max = int(mofka_claim_metadata_bytes_max(this%handle))
    end function

    integer(int64) function claim_data_bytes(this)
        class(mofka_claim), intent(in) :: this
        claim_data_bytes = mofka_claim_data_bytes(this%handle)
    end function

    logical function claim_is_in_place(this)
        class(mofka_claim), intent(in) :: this
        claim_is_in_place = mofka_claim_is_in_place(this%handle)
    end function

    logical function claim_is_set(this)
        class(mofka_claim), intent(in) :: this
        claim_is_set = c_associated(this%handle)
    end function

    subroutine point_int8(this, data, error)
        integer(int8), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_int32(this, data, error)
        integer(int32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_int64(this, data, error)
        integer(int64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_real32(this, data, error)
        real(real32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_real64(this, data, error)
        real(real64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_complex32(this, data, error)
        complex(real32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

    subroutine point_complex64(this, data, error)
        complex(real64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/claim_point.inc'
    end subroutine

end module mofka_claims
