! SPDX-License-Identifier: BSD-3-Clause
! Drivers and topics. Programs use the module mofka.
module mofka_topics
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mofka_c
    use mofka_base
#ifndef MOFKA_NO_MPI_F08
    use mpi_f08, only: MPI_Comm
#endif
    implicit none
    private
    public :: mofka_driver, mofka_topic

    ! The way to topics.
    type :: mofka_driver
        type(c_ptr) :: handle = c_null_ptr
    contains
        ! create(comm, options): the MPI driver over a communicator of mpi_f08 or of mpi. Collective.
#ifndef MOFKA_NO_MPI_F08
        generic :: create => create_over_f08, create_over_integer
        procedure, private :: create_over_f08 => driver_create_over_f08
#else
        generic :: create => create_over_integer
#endif
        procedure, private :: create_over_integer => driver_create_over_integer
        ! A driver of another type.
        procedure :: create_type => driver_create_type
        procedure :: create_topic => driver_create_topic
        procedure :: open_topic => driver_open_topic
        procedure :: topic_exists => driver_topic_exists
        procedure :: delete_topic => driver_delete_topic
        procedure :: stats => driver_stats
        ! End the driver: after its producers and consumers, before MPI_Finalize. Collective.
        procedure :: close => driver_close
        procedure :: is_set => driver_is_set
        procedure :: release => driver_release
        procedure, private :: driver_assign
        generic :: assignment(=) => driver_assign
        final :: driver_final
    end type

    ! An open topic.
    type :: mofka_topic
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: name => topic_name
        procedure :: partition_count => topic_partition_count
        procedure :: partition_info => topic_partition_info
        procedure :: mark_complete => topic_mark_complete
        procedure :: evict => topic_evict
        procedure :: ends => topic_ends
        procedure :: is_set => topic_is_set
        procedure :: release => topic_release
        procedure, private :: topic_assign
        generic :: assignment(=) => topic_assign
        final :: topic_final
    end type

contains

    ! ---- drivers -----------------------------------------------------------------------------------

#ifndef MOFKA_NO_MPI_F08
    subroutine driver_create_over_f08(this, comm, options, error)
        class(mofka_driver), intent(inout) :: this
        type(MPI_Comm), intent(in) :: comm
        character(*), intent(in), optional :: options
        integer, intent(out), optional :: error
        call driver_create_over_integer(this, comm%mpi_val, options, error)
    end subroutine
#endif

    subroutine driver_create_over_integer(this, comm, options, error)
        class(mofka_driver), intent(inout) :: this
        integer, intent(in) :: comm
        character(*), intent(in), optional :: options
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_mpi_driver_create_f(int(comm, c_int), c_text(options), made)
        if (status == mofka_ok) call driver_take(this, made)
        call report(status, 'create a driver', error)
    end subroutine

    subroutine driver_create_type(this, type, options, error)
        class(mofka_driver), intent(inout) :: this
        character(*), intent(in) :: type
        character(*), intent(in), optional :: options
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_driver_create(c_text(type), c_text(options), made)
        if (status == mofka_ok) call driver_take(this, made)
        call report(status, 'create a driver', error)
    end subroutine

    subroutine driver_take(this, made)
        class(mofka_driver), intent(inout) :: this
        type(c_ptr), intent(in) :: made
        call this%release()
        this%handle = made
    end subroutine

    subroutine driver_create_topic(this, name, options, validator, selector, serializer, error)
        class(mofka_driver), intent(in) :: this
        character(*), intent(in) :: name
        character(*), intent(in), optional :: options, validator, selector, serializer
        integer, intent(out), optional :: error
        call report(mofka_fortran_create_topic(this%handle, c_text(name), c_text(options), c_text(validator), &
                                               c_text(selector), c_text(serializer)), 'create a topic', error)
    end subroutine

    ! If the topic does not exist yet, wait for it.
    subroutine driver_open_topic(this, name, topic, timeout_ms, error)
        class(mofka_driver), intent(in) :: this
        character(*), intent(in) :: name
        type(mofka_topic), intent(inout) :: topic
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_driver_open_topic(this%handle, c_text(name), limit_of(timeout_ms), made)
        if (status == mofka_ok) then
            call topic%release()
            topic%handle = made
        end if
        call report(status, 'open a topic', error)
    end subroutine

    subroutine driver_topic_exists(this, name, exists, error)
        class(mofka_driver), intent(in) :: this
        character(*), intent(in) :: name
        logical, intent(out) :: exists
        integer, intent(out), optional :: error
        logical(c_bool) :: is_there
        is_there = .false.
        call report(mofka_driver_topic_exists(this%handle, c_text(name), is_there), 'look for a topic', error)
        exists = is_there
    end subroutine

    ! Delete a topic without open producers and consumers, of any rank.
    subroutine driver_delete_topic(this, name, error)
        class(mofka_driver), intent(in) :: this
        character(*), intent(in) :: name
        integer, intent(out), optional :: error
        call report(mofka_driver_delete_topic(this%handle, c_text(name)), 'delete a topic', error)
    end subroutine

    ! JSON, as mofka/stats.h documents.
    subroutine driver_stats(this, text, timeout_ms, error)
        class(mofka_driver), intent(in) :: this
        character(:), allocatable, intent(out) :: text
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        type(c_ptr) :: stats
        integer(c_int) :: status
        status = mofka_driver_stats(this%handle, limit_of(timeout_ms), stats)
        text = text_of_metadata(stats, status)
        call report(status, 'read statistics', error)
    end subroutine

    subroutine driver_close(this, timeout_ms, error)
        class(mofka_driver), intent(inout) :: this
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        integer(c_int) :: status
        status = mofka_driver_close(this%handle, limit_of(timeout_ms))
        if (status == mofka_ok) call this%release()
        call report(status, 'close a driver', error)
    end subroutine

    ! ---- topics ------------------------------------------------------------------------------------

    function topic_name(this) result(name)
        class(mofka_topic), intent(in) :: this
        character(:), allocatable :: name
        name = ''
        if (this%is_set()) name = text_of(mofka_topic_name(this%handle))
    end function

    integer function topic_partition_count(this)
        class(mofka_topic), intent(in) :: this
        topic_partition_count = 0
        if (this%is_set()) topic_partition_count = int(mofka_topic_partition_count(this%handle))
    end function

    ! JSON; of the MPI driver: owner, bytes, events.
    subroutine topic_partition_info(this, partition, text, error)
        class(mofka_topic), intent(in) :: this
        integer, intent(in) :: partition
        character(:), allocatable, intent(out) :: text
        integer, intent(out), optional :: error
        type(c_ptr) :: info
        integer(c_int) :: status
        status = mofka_topic_partition_info(this%handle, int(partition, c_size_t), info)
        text = text_of_metadata(info, status)
        call report(status, 'describe a partition', error)
    end subroutine

    subroutine topic_mark_complete(this, timeout_ms, error)
        class(mofka_topic), intent(in) :: this
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        call report(mofka_topic_mark_complete(this%handle, limit_of(timeout_ms)), 'complete a topic', error)
    end subroutine

    !> Give a consumer's name up.
    subroutine topic_evict(this, consumer, timeout_ms, error)
        class(mofka_topic), intent(in) :: this
        character(*), intent(in) :: consumer
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        call report(mofka_topic_evict(this%handle, c_text(consumer), limit_of(timeout_ms)), 'evict a consumer', error)
    end subroutine

    ! All events are on disk then. JSON: the next id of each partition, for a checkpoint.
    subroutine topic_ends(this, text, timeout_ms, error)
        class(mofka_topic), intent(in) :: this
        character(:), allocatable, intent(out) :: text
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        type(c_ptr) :: ends
        integer(c_int) :: status
        status = mofka_topic_ends(this%handle, limit_of(timeout_ms), ends)
        text = text_of_metadata(ends, status)
        call report(status, 'find the ends of a topic', error)
    end subroutine

    ! ---- handles: copies, releases -----------------------------------------------------------------

    logical function driver_is_set(this)
        class(mofka_driver), intent(in) :: this
        driver_is_set = c_associated(this%handle)
    end function

    subroutine driver_release(this)
        class(mofka_driver), intent(inout) :: this
        call mofka_driver_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine driver_assign(left, right)
        class(mofka_driver), intent(inout) :: left
        class(mofka_driver), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_driver_retain(kept)
        call mofka_driver_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine driver_final(this)
        type(mofka_driver), intent(inout) :: this
        call driver_release(this)
    end subroutine

    logical function topic_is_set(this)
        class(mofka_topic), intent(in) :: this
        topic_is_set = c_associated(this%handle)
    end function

    subroutine topic_release(this)
        class(mofka_topic), intent(inout) :: this
        call mofka_topic_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine topic_assign(left, right)
        class(mofka_topic), intent(inout) :: left
        class(mofka_topic), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_topic_retain(kept)
        call mofka_topic_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine topic_final(this)
        type(mofka_topic), intent(inout) :: this
        call topic_release(this)
    end subroutine

end module mofka_topics
