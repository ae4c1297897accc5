! SPDX-License-Identifier: BSD-3-Clause
! Callbacks, the last resort, and data that are not copied. Callbacks, and what they call, are recursive:
! gfortran needs the word, because workers call them at the same time.
module callbacks
    use, intrinsic :: iso_fortran_env, only: int64
    use mofka
    implicit none
    integer, save :: wanted = 0 ! which selection `choose_part` makes

contains

    ! The number of {"n":...}.
    recursive integer function number_in(metadata)
        character(*), intent(in) :: metadata
        read (metadata(index(metadata, ':') + 1:index(metadata, '}') - 1), *) number_in
    end function

    recursive subroutine choose_by_number(metadata, requested, partitions, partition, status)
        character(*), intent(in) :: metadata
        integer, intent(in) :: requested, partitions
        integer, intent(inout) :: partition, status
        integer :: n
        n = number_in(metadata)
        partition = merge(mod(n, partitions), requested, requested == mofka_any_partition)
        if (n == 77) partition = 5
        if (n == 78) status = mofka_fail(mofka_err_refused, 'no place for 78')
    end subroutine

    recursive subroutine choose_part(metadata, data, status)
        character(*), intent(in) :: metadata
        type(mofka_selection), intent(inout) :: data
        integer, intent(inout) :: status
        select case (wanted)
        case (1)
            call data%part(8_int64, 1000_int64)
        case (2)
            call data%strided(0_int64, 2_int64, 8_int64, 8_int64)
        case (3)
            call data%pieces([0_int64, 24_int64], [8_int64, 8_int64])
        case (4)
            call data%none()
        case (5)
            call data%part(8_int64, 24_int64)
            call data%part(8_int64, 8_int64, status)
        case (6)
            if (number_in(metadata) == 0) status = mofka_fail(mofka_err_callback, 'not this one')
        case (7)
            call data%strided(0_int64, 9_int64, 9_int64, 9_int64, status)
        case (8)
            call data%pieces([0_int64], [8_int64, 8_int64], status)
        end select
    end subroutine
end module

program fortran_callbacks
    use, intrinsic :: iso_fortran_env, only: int8, int64, real64
    use mpi_f08
    use mofka
    use callbacks
    implicit none
    type(mofka_driver) :: driver
    integer :: level, rank
    character(8) :: window
    ! What the callbacks of process note.
    logical :: seen(0:19)
    integer :: calls, absent

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call get_command_argument(1, window)
    call driver%create(MPI_COMM_WORLD, '{"window":"'//trim(window)//'"}')
    if (rank == 0) then
        call partitions_are_chosen()
        call parts_are_selected()
        call the_last_resort_has_the_rest()
        call events_are_processed(0)
        call events_are_processed(2)
        call data_are_shown()
    end if
    call driver%close(30000)
    if (rank == 0) print '(a)', 'fortran: every callback was called'
    call MPI_Finalize()

contains

    subroutine expect(right, what)
        logical, intent(in) :: right
        character(*), intent(in) :: what
        if (right) return
        print '(4a)', 'fortran: ', what, '; the last error: ', mofka_error_message()
        call MPI_Abort(MPI_COMM_WORLD, 1)
        error stop 1 ! MPI_Abort may return
    end subroutine

    subroutine expect_error(error, status, part)
        integer, intent(in) :: error, status
        character(*), intent(in) :: part
        call expect(error == status .and. index(mofka_error_message(), part) > 0, &
                    mofka_error_name(error)//' in place of '//mofka_error_name(status)//', '//part)
    end subroutine

    function text_of(n) result(text)
        integer, intent(in) :: n
        character(:), allocatable :: text
        character(16) :: number
        write (number, '(i0)') n
        text = '{"n":'//trim(number)//'}'
    end function

    ! A topic whose events are of this program.
    subroutine make(name, options, topic)
        character(*), intent(in) :: name, options
        type(mofka_topic), intent(inout) :: topic
        call driver%create_topic(name, options)
        call driver%open_topic(name, topic, 10000)
    end subroutine

    subroutine partitions_are_chosen()
        type(mofka_topic) :: topic
        type(mofka_producer) :: producer
        type(mofka_future) :: future
        integer(int64) :: id
        integer :: i, partition, error
        call make('chosen', '{"partitions":2,"partition_bytes":65536}', topic)
        call producer%create(topic, choose=choose_by_number)
        do i = 0, 5
            call producer%push(text_of(i), future)
            call future%wait(id, partition, 30000)
            call expect(partition == mod(i, 2) .and. id == i/2, 'the partition is another one')
        end do
        call producer%push(text_of(7), future, partition=0)
        call future%wait(id, partition, 30000)
        call expect(partition == 0, 'the partition is not that of the push')
        call producer%push(text_of(77), error=error)
        call expect_error(error, mofka_err_range, 'partition 5 was chosen, of 2')
        call producer%push(text_of(78), error=error)
        call expect_error(error, mofka_err_refused, 'no place for 78')
        call producer%close(30000, error)
        call expect(error == mofka_err_range, 'the close reports another error')
    end subroutine

    subroutine read_parts(topic, selection, expected)
        type(mofka_topic), intent(in) :: topic
        integer, intent(in) :: selection
        real(real64), intent(in) :: expected(:)
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event
        real(real64) :: got(size(expected))
        wanted = selection
        call consumer%create(topic, 'parts', select=choose_part)
        call consumer%pull(event, 30000)
        call expect(event%selected_bytes() == 8*size(expected) .and. event%data_bytes() == 32, 'the size is another one')
        call event%read(got)
        call expect(all(got == expected), 'other bytes are selected')
        call event%release()
        call consumer%unsubscribe()
        call consumer%close()
    end subroutine

    subroutine parts_are_selected()
        type(mofka_topic) :: topic
        type(mofka_producer) :: producer
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event
        real(real64), target :: field(4) = [1, 2, 3, 4]
        real(real64) :: nothing(0)
        integer :: error
        call make('parts', '{"partition_bytes":65536}', topic)
        call producer%create(topic)
        call producer%push(text_of(0), field)
        call producer%push(text_of(1), field)
        call producer%close(30000)
        call read_parts(topic, 0, field)
        call read_parts(topic, 1, field(2:4))
        call read_parts(topic, 2, field(1:3:2))
        call read_parts(topic, 3, field(1:4:3))
        call read_parts(topic, 4, nothing)
        call read_parts(topic, 5, field(3:3))
        wanted = 6
        call consumer%create(topic, 'errors', select=choose_part, threads=1)
        call consumer%pull(event, 30000, error)
        call expect_error(error, mofka_err_callback, 'not this one')
        call consumer%pull(event, 30000)
        call expect(event%id() == 1, 'the event is not passed over')
        call event%release()
        call consumer%unsubscribe()
        call consumer%close()
        call fail_to_select(topic, 7, mofka_err_range, 'byte')
        call fail_to_select(topic, 8, mofka_err_invalid, 'as many offsets')
    end subroutine

    subroutine fail_to_select(topic, selection, status, part)
        type(mofka_topic), intent(in) :: topic
        integer, intent(in) :: selection, status
        character(*), intent(in) :: part
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event
        integer :: error
        wanted = selection
        call consumer%create(topic, 'errors', select=choose_part)
        call consumer%pull(event, 30000, error)
        call expect_error(error, status, part)
        call consumer%unsubscribe()
        call consumer%close()
    end subroutine

    ! Nobody reads the topic, so what finds no room goes to the other one.
    subroutine the_last_resort_has_the_rest()
        type(mofka_topic) :: topic, rest
        type(mofka_producer) :: producer, last
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event
        integer :: i, error
        call make('small', '{"partition_bytes":65536,"partition_events":4}', topic)
        call make('rest', '{"partition_bytes":65536}', rest)
        call last%create(rest)
        call producer%create(topic, batch_size=1, max_batches=1, when_full=mofka_when_full_drop_newest, fallback=last)
        do i = 0, 19
            call producer%push(text_of(i), error=error)
            call expect(error == mofka_ok, 'a push fails')
        end do
        call producer%discard()
        call producer%close(30000, error)
        call expect(error == mofka_ok .or. error == mofka_err_closed, 'the close reports another error')
        call last%close(30000)
        call topic%mark_complete(30000)
        call rest%mark_complete(30000)
        seen = .false.
        do i = 1, 2
            if (i == 1) call consumer%create(topic, 'reader')
            if (i == 2) call consumer%create(rest, 'reader')
            do
                call consumer%pull(event, 30000)
                if (event%is_end()) exit
                seen(number_in(event%metadata())) = .true.
            end do
            call event%release()
            call consumer%close()
        end do
        call expect(all(seen), 'an event is in neither topic')
    end subroutine

    ! `threads`: workers call, at the same time.
    subroutine events_are_processed(threads)
        integer, intent(in) :: threads
        type(mofka_topic) :: topic
        type(mofka_producer) :: producer
        type(mofka_consumer) :: consumer
        integer :: i, error
        integer(int64) :: processed
        call make(merge('threads', 'caller ', threads > 0)//'-topic', '{"partition_bytes":65536}', topic)
        call producer%create(topic)
        do i = 0, 9
            call producer%push(text_of(i))
        end do
        call producer%flush(30000)
        call consumer%create(topic, 'reader', threads=threads)
        seen = .false.
        call consumer%process(mark_event, processed, events_max=4, timeout_ms=30000)
        call expect(processed == 4 .and. count(seen) == 4, 'four events are not processed')
        call consumer%process(refuse_event, processed, timeout_ms=30000, error=error)
        call expect_error(error, mofka_err_refused, 'refused')
        calls = 0
        call producer%push(text_of(0))
        call producer%flush(30000)
        call consumer%process(stop_processing, timeout_ms=30000)
        call expect(calls >= 1, 'nothing was processed')
        absent = 0
        call consumer%process(mark_event, wait_timeout_ms=5, timeout_ms=30000, none=count_absence)
        call expect(absent == 3, 'it does not say three times that no event came')
        call consumer%process(mark_event, timeout_ms=1, error=error)
        call expect(error == mofka_err_timeout, 'the process does not time out')
        call consumer%process(mark_event, events_max=-1, error=error)
        call expect_error(error, mofka_err_range, 'events_max is -1')
        call consumer%close()
        call producer%close(30000)
        call topic%mark_complete(30000)
        call consumer%create(topic, 'again')
        seen = .false.
        call consumer%process(mark_event, processed)
        call expect(processed == 11 .and. count(seen) == 10, 'not all events are processed')
        call consumer%close()
        call consumer%process(mark_event, error=error)
        call expect_error(error, mofka_err_invalid, 'consumer')
    end subroutine

    recursive subroutine mark_event(event, status)
        type(mofka_event), intent(in) :: event
        integer, intent(inout) :: status
        seen(number_in(event%metadata())) = status == mofka_ok
    end subroutine

    recursive subroutine refuse_event(event, status)
        type(mofka_event), intent(in) :: event
        integer, intent(inout) :: status
        if (event%is_set()) status = mofka_fail(mofka_err_refused, 'refused')
    end subroutine

    recursive subroutine stop_processing(event, status)
        type(mofka_event), intent(in) :: event
        integer, intent(inout) :: status
        if (event%is_set()) calls = calls + 1
        status = mofka_stop
    end subroutine

    recursive subroutine count_absence(status)
        integer, intent(inout) :: status
        absent = absent + 1
        if (absent == 3) status = mofka_stop
    end subroutine

    subroutine data_are_shown()
        type(mofka_topic) :: topic
        type(mofka_producer) :: producer
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event, kept
        real(real64), target :: field(2, 3)
        real(real64), pointer, contiguous :: shown(:), shaped(:, :)
        integer(int8), pointer, contiguous :: bytes(:)
        integer :: error
        field = reshape([1d0, 2d0, 3d0, 4d0, 5d0, 6d0], [2, 3])
        call make('shown', '{"partition_bytes":65536}', topic)
        call producer%create(topic, batch_size=1)
        call producer%push('{"a": 1}', field) ! 8 bytes: what follows is aligned
        call producer%push('{"a":1}', field)
        call producer%push('{}')
        call producer%close(30000)
        call consumer%create(topic, 'copies', with_data=.true.)
        call consumer%pull(event, 30000)
        call event%point(shown)
        shaped(1:2, 1:3) => shown
        call expect(all(shaped == field), 'a pointer shows other data')
        call event%release()
        call consumer%close()
        call event%point(shown, error)
        call expect_error(error, mofka_err_invalid, 'no event')
        call expect(.not. associated(shown), 'the pointer is associated')
        call consumer%create(topic, 'views', with_data=.true., zero_copy=.true., error=error)
        if (window == 'rma') then
            call expect_error(error, mofka_err_unsupported, '')
            return
        end if
        call expect(error == mofka_ok, 'there is no zero copy')
        call consumer%pull(event, 30000)
        kept = event
        call consumer%pull(event, 30000)
        call event%point(shown, error)
        call expect_error(error, mofka_err_unsupported, 'aligned')
        call event%point(bytes)
        call expect(size(bytes) == 48, 'the bytes are others')
        call consumer%pull(event, 30000)
        call event%point(shown)
        call expect(size(shown) == 0, 'there is data')
        call event%release()
        call kept%point(shown)
        call expect(all(shown == reshape(field, [6])), 'the partition is not shown')
        call consumer%close(error)
        call expect_error(error, mofka_err_busy, '')
        call kept%release()
        call consumer%close()
    end subroutine
end program
