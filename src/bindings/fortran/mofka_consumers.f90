! SPDX-License-Identifier: BSD-3-Clause
! Consumers and their events. Programs use the module mofka.
module mofka_consumers
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mofka_c
    use mofka_base
    use mofka_callbacks, only: mofka_select
    use mofka_topics, only: mofka_topic
    implicit none
    private
    public :: mofka_consumer, mofka_event, mofka_process, mofka_process_none

    ! An event as a consumer delivers it.
    type :: mofka_event
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: is_end => event_is_end
        procedure :: id => event_id
        procedure :: partition => event_partition
        procedure :: metadata => event_metadata
        ! The bytes of its data: of what was selected, and of all that is stored.
        procedure :: selected_bytes => event_selected_bytes
        procedure :: data_bytes => event_data_bytes
        ! read(array): copy the data into an array, or a scalar, of as many bytes.
        generic :: read => read_int8, read_int32, read_int64, read_real32, read_real64, read_complex32, &
            read_complex64
        procedure, private :: read_int8, read_int32, read_int64, read_real32, read_real64, read_complex32, &
            read_complex64
        ! point(pointer): let a pointer to an array of rank 1 show the data, without a copy. It is valid
        ! while this handle, or a copy of it, holds the event.
        generic :: point => point_int8, point_int32, point_int64, point_real32, point_real64, point_complex32, &
            point_complex64
        procedure, private :: point_int8, point_int32, point_int64, point_real32, point_real64, point_complex32, &
            point_complex64
        procedure :: lost => event_lost
        procedure :: acknowledge => event_acknowledge
        procedure :: is_set => event_is_set
        procedure :: release => event_release
        procedure, private :: event_assign
        generic :: assignment(=) => event_assign
        final :: event_final
    end type

    ! Pulls events from a topic.
    type :: mofka_consumer
        type(c_ptr) :: handle = c_null_ptr
    contains
        procedure :: create => consumer_create
        procedure :: pull => consumer_pull
        procedure :: process => consumer_process
        procedure :: lost => consumer_lost
        procedure :: voided => consumer_voided
        procedure :: rewound => consumer_rewound
        procedure :: seek => consumer_seek
        procedure :: seek_time => consumer_seek_time
        procedure :: stats => consumer_stats
        procedure :: unsubscribe => consumer_unsubscribe
        procedure :: close => consumer_close
        procedure :: is_set => consumer_is_set
        procedure :: release => consumer_release
        procedure, private :: consumer_assign
        generic :: assignment(=) => consumer_assign
        final :: consumer_final
    end type

    abstract interface
        ! Called by process with each event, which a copy of the handle keeps. `status` is mofka_ok:
        ! mofka_stop ends the call of process, and so does an error, which that call then returns.
        subroutine mofka_process(event, status)
            import :: mofka_event
            type(mofka_event), intent(in) :: event
            integer, intent(inout) :: status
        end subroutine
        ! Called by process if no event came within wait_timeout_ms. mofka_ok: wait again.
        subroutine mofka_process_none(status)
            integer, intent(inout) :: status
        end subroutine
    end interface

    ! What a call of process calls back.
    type :: processors
        procedure(mofka_process), pointer, nopass :: each => null()
        procedure(mofka_process_none), pointer, nopass :: none => null()
    end type

contains

    ! ---- consumers ---------------------------------------------------------------------------------

    ! `with_data`: all data of each event are fetched; .false., the default, means none. `select`:
    ! chooses the wanted bytes of each event's data. `zero_copy`: the data are not copied: events show
    ! those of the partition. `targets`: the partitions to read; all by default. `threads`: a pool of
    ! that many, which fetch ahead.
    subroutine consumer_create(this, topic, name, with_data, targets, start, acknowledge, batch_size, max_batches, &
                               threads, options, select, zero_copy, error)
        class(mofka_consumer), intent(inout) :: this
        type(mofka_topic), intent(in) :: topic
        character(*), intent(in) :: name
        logical, intent(in), optional :: with_data
        integer, intent(in), optional :: targets(:), start, acknowledge, batch_size, max_batches, threads
        character(*), intent(in), optional :: options
        procedure(mofka_select), optional :: select
        logical, intent(in), optional :: zero_copy
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        type(c_funptr) :: selector
        integer(c_int) :: status
        integer(c_int64_t) :: numbers(8)
        integer(c_int64_t), allocatable :: wanted(:)
        selector = c_null_funptr
        if (present(select)) selector = c_funloc(select)
        allocate (wanted(0))
        if (present(targets)) wanted = targets
        ! In the order of shim.c.
        numbers = [number_of(batch_size, 0), number_of(max_batches, 0), number_of(threads, 0), &
                   number_of(start, mofka_start_beginning), number_of(acknowledge, mofka_acknowledge_manual), &
                   flag_of(with_data), size(wanted, kind=c_int64_t), flag_of(zero_copy)]
        status = mofka_fortran_consumer_create(topic%handle, c_text(name), c_text(options), numbers, wanted, &
            selector, made)
        if (status == mofka_ok) then
            call this%release()
            this%handle = made
        end if
        call report(status, 'create a consumer', error)
    end subroutine

    ! The next event; at the end of the topic, one that is_end.
    subroutine consumer_pull(this, event, timeout_ms, error)
        class(mofka_consumer), intent(in) :: this
        type(mofka_event), intent(inout) :: event
        integer, intent(in), optional :: timeout_ms
        integer, intent(out), optional :: error
        type(c_ptr) :: made
        integer(c_int) :: status
        status = mofka_consumer_pull(this%handle, limit_of(timeout_ms), made)
        call event%release()
        if (status == mofka_ok) event%handle = made
        call report(status, 'pull', error)
    end subroutine

    ! Call `each` with every event until the end of the topic, `events_max` events, mofka_stop, or an
    ! error. `processed`: their number. Workers call it if the consumer has threads, several at once.
    ! `timeout_ms` is for the whole call, `wait_timeout_ms` for each event.
    subroutine consumer_process(this, each, processed, events_max, timeout_ms, wait_timeout_ms, none, error)
        class(mofka_consumer), intent(in) :: this
        procedure(mofka_process) :: each
        integer(int64), intent(out), optional :: processed
        integer, intent(in), optional :: events_max, timeout_ms, wait_timeout_ms
        procedure(mofka_process_none), optional :: none
        integer, intent(out), optional :: error
        type(processors), target :: callbacks
        integer(c_int64_t) :: count
        integer(c_int) :: status
        callbacks%each => each
        if (present(none)) callbacks%none => none
        status = mofka_fortran_process(this%handle, c_loc(callbacks), logical(present(none), c_bool), &
            [number_of(events_max, 0), limit_of(timeout_ms), number_of(wait_timeout_ms, 0)], count)
        if (present(processed)) processed = count
        call report(status, 'process events', error)
    end subroutine

    ! What the library calls for process. `context` is a call's `callbacks`.
    integer(c_int) function process_each(context, handle) bind(c, name='mofka_fortran_process_each')
        type(c_ptr), value :: context, handle
        type(processors), pointer :: callbacks
        type(mofka_event) :: event
        integer :: status
        call c_f_pointer(context, callbacks)
        event%handle = mofka_event_retain(handle)
        status = mofka_ok
        call callbacks%each(event, status)
        call event%release()
        process_each = int(status, c_int)
    end function

    integer(c_int) function process_no_event(context) bind(c, name='mofka_fortran_process_no_event')
        type(c_ptr), value :: context
        type(processors), pointer :: callbacks
        integer :: status
        call c_f_pointer(context, callbacks)
        status = mofka_ok
        call callbacks%none(status)
        process_no_event = int(status, c_int)
    end function

    ! The number of events that it has lost.
    integer(int64) function consumer_lost(this)
        class(mofka_consumer), intent(in) :: this
        consumer_lost = mofka_consumer_lost(this%handle)
    end function

    ! The number of ids that it has passed and that no event has.
    integer(int64) function consumer_voided(this)
        class(mofka_consumer), intent(in) :: this
        consumer_voided = mofka_consumer_voided(this%handle)
    end function

    ! The number of events by which its name was set back, because they were cut or lost.
    integer(int64) function consumer_rewound(this)
        class(mofka_consumer), intent(in) :: this
        consumer_rewound = mofka_consumer_rewound(this%handle)
    end function

    ! Go to an event of a partition; partitions and ids begin with 0.
    subroutine consumer_seek(this, partition, id, error)
        class(mofka_consumer), intent(in) :: this
        integer, intent(in) :: partition
        integer(int64), intent(in) :: id
        integer, intent(out), optional :: error
        call report(mofka_consumer_seek(this%handle, int(partition, c_size_t), id), 'go to an event', error)
    end subroutine

    ! Go to the first event of each partition that was stored at that time or later: ns since 1970.
    subroutine consumer_seek_time(this, time_ns, error)
        class(mofka_consumer), intent(in) :: this
        integer(int64), intent(in) :: time_ns
        integer, intent(out), optional :: error
        call report(mofka_consumer_seek_time(this%handle, time_ns), 'go to a time', error)
    end subroutine

    subroutine consumer_stats(this, text, error)
        class(mofka_consumer), intent(in) :: this
        character(:), allocatable, intent(out) :: text
        integer, intent(out), optional :: error
        type(c_ptr) :: stats
        integer(c_int) :: status
        status = mofka_consumer_stats(this%handle, stats)
        text = text_of_metadata(stats, status)
        call report(status, 'read statistics', error)
    end subroutine

    ! Remove the name and its place.
    subroutine consumer_unsubscribe(this, error)
        class(mofka_consumer), intent(in) :: this
        integer, intent(out), optional :: error
        call report(mofka_consumer_unsubscribe(this%handle), 'unsubscribe', error)
    end subroutine

    ! Publish acknowledgements, and end the consumer. Its name keeps its place.
    subroutine consumer_close(this, error)
        class(mofka_consumer), intent(inout) :: this
        integer, intent(out), optional :: error
        integer(c_int) :: status
        status = mofka_consumer_close(this%handle)
        if (status == mofka_ok) call this%release()
        call report(status, 'close a consumer', error)
    end subroutine

    ! ---- events ------------------------------------------------------------------------------------

    logical function event_is_end(this)
        class(mofka_event), intent(in) :: this
        event_is_end = mofka_event_is_end(this%handle)
    end function

    ! -1 for the end, and without an event.
    integer(int64) function event_id(this)
        class(mofka_event), intent(in) :: this
        event_id = mofka_event_id(this%handle)
    end function

    ! -1 for the end, and without an event.
    integer function event_partition(this)
        class(mofka_event), intent(in) :: this
        event_partition = -1
        if (this%is_set()) event_partition = int(mofka_event_partition(this%handle))
    end function

    function event_metadata(this) result(text)
        class(mofka_event), intent(in) :: this
        character(:), allocatable :: text
        type(c_ptr) :: pointer
        integer(c_size_t) :: bytes
        text = ''
        if (.not. this%is_set()) return
        pointer = mofka_event_metadata_text(this%handle, bytes)
        if (c_associated(pointer)) text = text_of_bytes(pointer, bytes)
    end function

    integer(int64) function event_selected_bytes(this)
        class(mofka_event), intent(in) :: this
        event_selected_bytes = 0
        if (this%is_set()) event_selected_bytes = mofka_event_selected_size(this%handle)
    end function

    integer(int64) function event_data_bytes(this)
        class(mofka_event), intent(in) :: this
        event_data_bytes = 0
        if (this%is_set()) event_data_bytes = mofka_event_data_size(this%handle)
    end function

    integer(int64) function event_lost(this)
        class(mofka_event), intent(in) :: this
        event_lost = 0
        if (this%is_set()) event_lost = mofka_event_lost(this%handle)
    end function

    ! Acknowledge this event and all before it in its partition.
    subroutine event_acknowledge(this, error)
        class(mofka_event), intent(in) :: this
        integer, intent(out), optional :: error
        call report(mofka_event_acknowledge(this%handle), 'acknowledge', error)
    end subroutine

    integer(c_int) function event_check(this)
        class(mofka_event), intent(in) :: this
        event_check = mofka_ok
        if (.not. this%is_set()) &
            event_check = mofka_fortran_fail(int(mofka_err_invalid, c_int), c_text('there is no event'))
    end function

    subroutine read_int8(this, data, error)
        integer(int8), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_int32(this, data, error)
        integer(int32), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_int64(this, data, error)
        integer(int64), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_real32(this, data, error)
        real(real32), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_real64(this, data, error)
        real(real64), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_complex32(this, data, error)
        complex(real32), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine read_complex64(this, data, error)
        complex(real64), dimension(..), intent(inout) :: data
        include 'bodies/read.inc'
    end subroutine

    subroutine point_int8(this, data, error)
        integer(int8), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_int32(this, data, error)
        integer(int32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_int64(this, data, error)
        integer(int64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_real32(this, data, error)
        real(real32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_real64(this, data, error)
        real(real64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_complex32(this, data, error)
        complex(real32), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    subroutine point_complex64(this, data, error)
        complex(real64), pointer, contiguous, intent(out) :: data(:)
        include 'bodies/point.inc'
    end subroutine

    ! ---- handles: copies, releases -----------------------------------------------------------------

    logical function event_is_set(this)
        class(mofka_event), intent(in) :: this
        event_is_set = c_associated(this%handle)
    end function

    subroutine event_release(this)
        class(mofka_event), intent(inout) :: this
        call mofka_event_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine event_assign(left, right)
        class(mofka_event), intent(inout) :: left
        class(mofka_event), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_event_retain(kept)
        call mofka_event_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine event_final(this)
        type(mofka_event), intent(inout) :: this
        call event_release(this)
    end subroutine

    logical function consumer_is_set(this)
        class(mofka_consumer), intent(in) :: this
        consumer_is_set = c_associated(this%handle)
    end function

    subroutine consumer_release(this)
        class(mofka_consumer), intent(inout) :: this
        call mofka_consumer_release(this%handle)
        this%handle = c_null_ptr
    end subroutine

    subroutine consumer_assign(left, right)
        class(mofka_consumer), intent(inout) :: left
        class(mofka_consumer), intent(in) :: right
        type(c_ptr) :: kept
        kept = right%handle
        if (c_associated(kept)) kept = mofka_consumer_retain(kept)
        call mofka_consumer_release(left%handle)
        left%handle = kept
    end subroutine

    subroutine consumer_final(this)
        type(mofka_consumer), intent(inout) :: this
        call consumer_release(this)
    end subroutine

end module mofka_consumers
