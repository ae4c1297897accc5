! SPDX-License-Identifier: BSD-3-Clause
! What is wrong is a status, with a message that names it. The communicator is an integer of mpi.
program fortran_errors
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mpi
    use mofka
    implicit none
    type(mofka_driver) :: driver, none, copy
    type(mofka_topic) :: topic, no_topic
    type(mofka_producer) :: producer
    type(mofka_consumer) :: consumer
    type(mofka_event) :: event
    type(mofka_future) :: future
    integer :: level, rank, error, ierr
    integer(int64) :: id
    logical :: exists
    real(real64) :: field(3) = 1
    character(:), allocatable :: text
    character(64) :: argument

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level, ierr)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
    call get_command_argument(1, argument)
    if (argument == 'stop') call none%create_topic('topic') ! without `error`, this ends the program
    call driver%create(123456, error=error)
    call expect(mofka_err_invalid, 'communicator')
    call driver%create(MPI_COMM_NULL, error=error)
    call expect(mofka_err_invalid, 'MPI_COMM_NULL')
    call driver%create(MPI_COMM_WORLD, '{"windows":"shm"}', error)
    call expect(mofka_err_option, 'windows')
    call none%create_topic('topic', error=error)
    call expect(mofka_err_invalid, 'driver')
    call none%open_topic('topic', topic, error=error)
    call expect(mofka_err_invalid, 'driver')
    call none%close(error=error)
    call expect(mofka_err_invalid, 'driver')
    call none%create_type('no such type', error=error)
    call expect(mofka_err_not_found, 'no such type')
    call producer%push('{}', error=error)
    call expect(mofka_err_invalid, 'producer')
    call producer%push('{}', field, error=error)
    call expect(mofka_err_invalid, 'producer')
    call producer%create(no_topic, error=error)
    call expect(mofka_err_invalid, 'topic')
    call producer%create(no_topic, threads=1, error=error)
    call expect(mofka_err_invalid, '')
    call consumer%create(no_topic, 'reader', error=error)
    call expect(mofka_err_invalid, 'topic')
    call consumer%pull(event, error=error)
    call expect(mofka_err_invalid, 'consumer')
    call event%acknowledge(error)
    call expect(mofka_err_invalid, 'event')
    call event%read(field, error)
    call expect(mofka_err_invalid, 'event')
    call future%wait(error=error)
    call expect(mofka_err_invalid, 'future')
    if (event%is_set() .or. event%id() /= -1 .or. event%partition() /= -1 .or. none%is_set()) stop 3
    if (producer%oldest_pending_ms() /= -1 .or. topic%partition_count() /= 0) stop 4

    call driver%create(MPI_COMM_WORLD, '{"window":"'//trim(argument)//'"}', error)
    call expect(mofka_ok, '')
    copy = driver
    if (rank == 0) call one_rank()
    call topic%release()
    call copy%release()
    call driver%close(30000, error)
    call expect(mofka_ok, '')
    call driver%close(30000, error)
    call expect(mofka_err_invalid, 'driver')
    call MPI_Barrier(MPI_COMM_WORLD, ierr)
    if (rank == 0) print '(a)', 'fortran: every error is named'
    call MPI_Finalize(ierr)

contains

    subroutine expect(status, part)
        integer, intent(in) :: status
        character(*), intent(in) :: part
        character(:), allocatable :: message
        message = mofka_error_message()
        if (error == status .and. (status == mofka_ok .or. index(message, part) > 0)) return
        print '(6a)', 'fortran: ', mofka_error_name(error), ', not ', mofka_error_name(status), ': ', message
        call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
        error stop 1 ! MPI_Abort may return
    end subroutine

    subroutine one_rank()
        call driver%create_topic('topic', options='{"partitions":0}', error=error)
        call expect(mofka_err_range, 'partitions')
        call driver%create_topic('topic', validator='{"type":"default","json":true}', error=error)
        call expect(mofka_ok, '')
        call driver%topic_exists('topic', exists)
        if (.not. exists) stop 5
        call driver%create_topic('short')
        call driver%delete_topic('short')
        call driver%delete_topic('short', error)
        call expect(mofka_err_not_found, 'short')
        call driver%open_topic('absent', topic, 0, error)
        call expect(mofka_err_not_found, 'absent')
        call copy%open_topic('topic', topic, 0, error)
        call expect(mofka_ok, '')
        call topic%partition_info(1, text, error)
        call expect(mofka_err_range, '')
        call topic%partition_info(0, text)
        if (index(text, '"owner"') == 0) stop 6
        call driver%stats(text, 1000)
        if (index(text, '"topics"') == 0) stop 7
        call producer%create(topic, threads=-1, error=error)
        call expect(mofka_err_range, 'threads is -1')
        call producer%create(topic, batch_size=-1, error=error)
        call expect(mofka_err_range, 'batch_size is -1')
        call producer%create(topic, linger_ms=-5, error=error)
        call expect(mofka_err_range, 'linger_ms is -5')
        call producer%create(topic, ordering=9, error=error)
        call expect(mofka_err_invalid, '')
        call producer%create(topic, when_full=9, error=error)
        call expect(mofka_err_invalid, '')
        call producer%create(topic, options='{"a":1}', error=error)
        call expect(mofka_err_option, 'a')
        call producer%create(topic, ordering=mofka_ordering_loose, threads=1, max_batches=4)
        call producer%push('{"a":1}', partition=-2, error=error)
        call expect(mofka_err_range, 'mofka_any_partition')
        call producer%push('{"a":', error=error)
        call expect(mofka_err_json, '')
        call producer%push('{"a":', future)
        call future%wait(id, error=error)
        call expect(mofka_err_json, '')
        call producer%flush(30000, error)
        call expect(mofka_err_json, '')
        call producer%push('{"a":1}', field, partition=mofka_any_partition)
        call producer%flush(30000)
        call producer%stats(text)
        if (index(text, '"events_stored":1') == 0) stop 8
        call consumer%create(topic, 'reader', targets=[4], error=error)
        call expect(mofka_err_range, '4')
        call consumer%create(topic, 'reader', with_data=.true., threads=1, start=mofka_start_beginning)
        call consumer%pull(event, 30000)
        call event%read(field(1:2), error)
        call expect(mofka_err_range, '24 bytes')
        call event%read(field(:), error)
        call expect(mofka_ok, '')
        call consumer%pull(event, 10, error)
        call expect(mofka_err_timeout, '')
        if (event%is_set()) stop 9
        call consumer%stats(text)
        if (index(text, '"events_pulled":1') == 0) stop 10
        call consumer%unsubscribe()
        call consumer%close()
        call driver%close(0, error)
        call expect(mofka_err_busy, 'producer')
        call producer%discard()
        call producer%close(30000)
        call topic%evict('nobody', 30000, error)
        call expect(mofka_err_not_found, 'nobody')
        call topic%mark_complete(30000)
    end subroutine
end program
