! SPDX-License-Identifier: BSD-3-Clause
! Producers and the futures of their pushes. Programs use the module mofka.
module mofka_producers
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mofka_c
    use mofka_base
    use mofka_callbacks, only: mofka_choose
    use mofka_topics, only: mofka_topic
    implicit none
    private
    public :: mofka_producer, mofka_future

    integer(c_size_t), parameter :: any_partition = -1 ! MOFKA_ANY_PARTITION

    ! The outcome of a push.
    type :: mofka_future
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: wait => future_wait
        procedure :: completed => future_completed
        procedure :: is_set => future_is_set
        procedure :: release => future_release
        procedure, private :: future_assign
        generic :: assignment(=) => future_assign
        final :: future_final
    end type

    ! Pushes events into a topic, in batches.
    type :: mofka_producer
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: create => producer_create
        ! push(metadata), push(metadata, data): also with future, partition; with data, copy.
        generic :: push => push_metadata, push_int8, push_int32, push_int64, push_real32, push_real64, &
            push_complex32, push_complex64
        procedure, private :: push_metadata, push_int8, push_int32, push_int64, push_real32, push_real64, &
            push_complex32, push_complex64
        procedure :: flush => producer_flush
        procedure :: discard => producer_discard
        procedure :: oldest_pending_ms => producer_oldest_pending_ms
        procedure :: stats => producer_stats
        procedure :: close => producer_close
        procedure :: is_set => producer_is_set
        procedure :: release => producer_release
        procedure, private :: producer_assign
        generic :: assignment(=) => producer_assign
        final :: producer_final
    end type

contains

    ! ---- producers ---------------------------------------------------------------------------------

    ! `threads`: a pool of that many, which send; 0, the default, means none. Other numbers: 0 means
    ! the default; see mofka_producer_options_t. `options`: JSON for the backend. `fallback`: a producer
    ! that receives what this one drops or cannot store. `choose`: chooses the partitions, in place of
    ! the topic's selector.
    subroutine producer_create(this, topic, name, batch_size, max_batches, ordering, threads, linger_ms, &
                               push_timeout_ms, when_full, options, fallback, choose, error)
        class(mofka_producer), intent(inout) :: this
        type(mofka_topic), intent(in) :: topic
        character(*), intent(in), optional :: name, options
        integer, intent(in), optional :: batch_size, max_batches, ordering, threads, linger_ms, &
            push_timeout_ms, when_full
        type(mofka_producer), intent(in), optional :: fallback
        procedure(mofka_choose), optional :: choose
        integer, intent(out), optional :: error
        type(c_ptr) :: made, last_resort
        type(c_funptr) :: chooser
        integer(c_int) :: status
        last_resort = c_null_ptr
        if (present(fallback)) last_resort = fallback%handle
        chooser = c_null_funptr
        if (present(choose)) chooser = c_funloc(choose)
        ! In the order of shim.c.
        status = mofka_fortran_producer_create(topic%handle, c_text(name), c_text(options), &
            [number_of(batch_size, 0), number_of(max_batches, 0), number_of(threads, 0), &
             number_of(ordering, mofka_ordering_strict), number_of(linger_ms, 0), number_of(push_timeout_ms, 0), &
             number_of(when_full, mofka_when_full_wait)], last_resort, chooser, made)
        if (status == mofka_ok) then
            call this%release()
            this%handle = made
        end if
        call report(status, 'create a producer', error)
    end subroutine

    ! Without trailing blanks. Most texts have none.
    pure integer(c_size_t) function bytes_of(text)
        character(*), intent(in) :: text
        bytes_of = len(text, c_size_t)
        if (bytes_of > 0) then
            if (iachar(text(bytes_of:bytes_of)) == 32) bytes_of = len_trim(text, c_size_t)
        end if
    end function

    ! Push, and give the future if it is wanted.
    subroutine push_view(this, metadata, view, future, partition, error)
        class(mofka_producer), intent(in) :: this
        character(*), intent(in) :: metadata
        type(c_ptr), intent(in) :: view
        type(mofka_future), intent(inout), optional :: future
        integer, intent(in), optional :: partition
        integer, intent(out), optional :: error
        type(c_ptr), target :: made
        type(c_ptr) :: wanted
        integer(c_int) :: status
        integer(c_size_t) :: where_to
        made = c_null_ptr
        wanted = c_null_ptr
        if (present(future)) wanted = c_loc(made)
        where_to = any_partition
        if (present(partition)) where_to = partition
        if (where_to < -1) then
            status = mofka_fortran_fail(int(mofka_err_range, c_int), &
                                        c_text('a partition is 0 or more, or mofka_any_partition'))
        else
            status = mofka_producer_push(this%handle, metadata, bytes_of(metadata), view, where_to, wanted)
        end if
        if (present(future) .and. c_associated(made)) then
            call future%release()
            future%handle = made
        end if
        if (status /= mofka_ok .or. present(error)) call report(status, 'push', error)
    end subroutine

    subroutine push_metadata(this, metadata, future, partition, error)
        class(mofka_producer), intent(in) :: this
        character(*), intent(in) :: metadata
        type(mofka_future), intent(inout), optional :: future
        integer, intent(in), optional :: partition
        integer, intent(out), optional :: error
        integer(c_int) :: status
        if (present(future) .or. present(partition)) then
            call push_view(this, metadata, c_null_ptr, future, partition, error)
            return
        end if
        ! Most pushes of small events come here.
        status = mofka_producer_push(this%handle, metadata, bytes_of(metadata), c_null_ptr, any_partition, c_null_ptr)
        if (status /= mofka_ok .or. present(error)) call report(status, 'push', error)
    end subroutine

    ! With the view of an array, which is released.
    subroutine push_with(this, metadata, view, status, future, partition, error)
        class(mofka_producer), intent(in) :: this
        character(*), intent(in) :: metadata
        type(c_ptr), intent(in) :: view
        integer(c_int), intent(in) :: status
        type(mofka_future), intent(inout), optional :: future
        integer, intent(in), optional :: partition
        integer, intent(out), optional :: error
        if (status == mofka_ok) then
            call push_view(this, metadata, view, future, partition, error)
            call mofka_data_view_release(view)
        else
            call report(status, 'push', error)
        end if
    end subroutine

    pure function copy_of(copy) result(copies)
        logical, intent(in), optional :: copy
        logical(c_bool) :: copies
        copies = .false.
        if (present(copy)) copies = copy
    end function

    subroutine push_int8(this, metadata, data, future, partition, copy, error)
        integer(int8), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_int32(this, metadata, data, future, partition, copy, error)
        integer(int32), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_int64(this, metadata, data, future, partition, copy, error)
        integer(int64), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_real32(this, metadata, data, future, partition, copy, error)
        real(real32), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_real64(this, metadata, data, future, partition, copy, error)
        real(real64), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_complex32(this, metadata, data, future, partition, copy, error)
        complex(real32), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine push_complex64(this, metadata, data, future, partition, copy, error)
        complex(real64), dimension(..), intent(in), target, asynchronous :: data
        include 'bodies/push.inc'
    end subroutine

    subroutine producer_flush(this, timeout_ms, error)
        class(mofka_producer), intent(in) :: this
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        call report(mofka_producer_flush(this%handle, limit_of(timeout_ms)), 'flush', error)
    end subroutine

    ! Give up what is not stored, so that close succeeds.
    subroutine producer_discard(this, error)
        class(mofka_producer), intent(in) :: this
        integer, intent(out), optional :: error
        call report(mofka_producer_discard(this%handle), 'discard', error)
    end subroutine

    ! The age of the oldest event that is not stored; 0 if there is none, -1 without a producer.
    integer(int64) function producer_oldest_pending_ms(this)
        class(mofka_producer), intent(in) :: this
        producer_oldest_pending_ms = mofka_producer_oldest_pending_ms(this%handle)
    end function

    subroutine producer_stats(this, text, error)
        class(mofka_producer), intent(in) :: this
        character(:), allocatable, intent(out) :: text
        integer, intent(out), optional :: error
        type(c_ptr) :: stats
        integer(c_int) :: status
        status = mofka_producer_stats(this%handle, stats)
        text = text_of_metadata(stats, status)
        call report(status, 'read statistics', error)
    end subroutine

    ! Send all, then end the producer.
    subroutine producer_close(this, timeout_ms, error)
        class(mofka_producer), intent(inout) :: this
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        integer(c_int) :: status
        status = mofka_producer_close(this%handle, limit_of(timeout_ms))
        if (status == mofka_ok) call this%release()
        call report(status, 'close a producer', error)
    end subroutine

    ! ---- futures -----------------------------------------------------------------------------------

    subroutine future_wait(this, event_id, partition, timeout_ms, error)
        class(mofka_future), intent(in) :: this
        integer(int64), intent(out), optional :: event_id
        integer, intent(out), optional :: partition
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        integer(c_int64_t) :: id, index
        integer(c_int) :: status
        status = mofka_fortran_wait(this%handle, limit_of(timeout_ms), id, index)
        if (present(event_id)) event_id = id
        if (present(partition)) partition = int(index)
        call report(status, 'wait for a push', error)
    end subroutine

    logical function future_completed(this)
        class(mofka_future), intent(in) :: this
        future_completed = mofka_future_completed(this%handle)
    end function

    ! ---- handles: copies, releases -----------------------------------------------------------------

    logical function future_is_set(this)
        class(mofka_future), intent(in) :: this
        future_is_set = c_associated(this%handle)
    end function

    subroutine future_release(this)
        class(mofka_future), intent(inout) :: this
        call mofka_future_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine future_assign(left, right)
        class(mofka_future), intent(inout) :: left
        class(mofka_future), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_future_retain(kept)
        call mofka_future_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine future_final(this)
        type(mofka_future), intent(inout) :: this
        call future_release(this)
    end subroutine

    logical function producer_is_set(this)
        class(mofka_producer), intent(in) :: this
        producer_is_set = c_associated(this%handle)
    end function

    subroutine producer_release(this)
        class(mofka_producer), intent(inout) :: this
        call mofka_producer_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine producer_assign(left, right)
        class(mofka_producer), intent(inout) :: left
        class(mofka_producer), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_producer_retain(kept)
        call mofka_producer_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine producer_final(this)
        type(mofka_producer), intent(inout) :: this
        call producer_release(this)
    end subroutine

end module mofka_producers
