! SPDX-License-Identifier: BSD-3-Clause
! Arrays of each kind and rank go from rank 0 to rank 1, also those that are not contiguous. The
! communicator is of mpi_f08.
program fortran_arrays
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mpi_f08
    use mofka
    implicit none
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    integer :: level, rank
    character(64) :: window

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call get_command_argument(1, window)
    call driver%create(MPI_COMM_WORLD, '{"window":"'//trim(window)//'"}')
    if (rank == 0) call driver%create_topic('arrays', options='{"expected_producers":1,"partitions":2}')
    call driver%open_topic('arrays', topic, timeout_ms=30000)
    if (topic%name() /= 'arrays' .or. topic%partition_count() /= 2) call fail('the topic is another one')
    if (rank == 0) call produce()
    if (rank == 1) call consume()
    call topic%release()
    call driver%close(30000)
    if (rank == 0) print '(a)', 'fortran: the arrays are the same'
    call MPI_Finalize()

contains

    subroutine fail(what)
        character(*), intent(in) :: what
        print '(a)', 'fortran: '//what
        call MPI_Abort(MPI_COMM_WORLD, 1)
        error stop 1 ! MPI_Abort may return
    end subroutine

    pure function field() result(values)
        real(real64) :: values(4, 5, 6)
        integer :: i
        values = reshape([(real(i, real64), i=1, 120)], [4, 5, 6])
    end function

    subroutine produce()
        type(mofka_producer) :: producer
        type(mofka_future) :: future
        real(real64), target :: cube(4, 5, 6)
        real(real32) :: line(10) = 1.5
        integer(int32) :: scalar = 42
        integer(int64) :: plane(2, 2) = reshape([1_int64, 2_int64, 3_int64, 4_int64], [2, 2]), id
        integer(int8), allocatable :: bytes(:)
        complex(real32) :: small(3) = (1.0, -1.0)
        complex(real64) :: large(1, 1, 1, 1) = (2.0, -2.0)
        integer :: partition
        cube = field()
        allocate (bytes(0:2), source=[1_int8, 2_int8, 3_int8])
        call producer%create(topic, name='fortran', batch_size=100, linger_ms=3600000)
        call producer%push('{"n":0}   ', cube, partition=0)
        call producer%push('{"n":1}', line, partition=0)
        call producer%push('{"n":2}', scalar, partition=0)
        call producer%push('{"n":3}', plane, partition=0)
        call producer%push('{"n":4}', bytes, partition=0)
        call producer%push('{"n":5}', small, partition=0)
        call producer%push('{"n":6}', large, partition=0)
        call producer%push('{"n":7}', cube(:, 2:4:2, 3), partition=0) ! these three are copied
        call producer%push('{"n":8}', cube(4:1:-1, 5, 6), partition=0)
        call producer%push('{"n":9}', line, copy=.true., partition=0)
        line = 2.5 ! not in event 9, and event 1 is not stored yet
        call producer%push('{"n":10}', cube(:, :, 3), future=future, partition=0)
        if (producer%oldest_pending_ms() < 1) call fail('the oldest event has no age')
        call future%wait(id, partition, 30000)
        if (id /= 10 .or. partition /= 0) call fail('the future has another result')
        if (.not. future%completed()) call fail('the future is not complete')
        call producer%push('{"last":true}', partition=1)
        call producer%flush(30000)
        if (producer%oldest_pending_ms() /= 0) call fail('what is stored has an age')
        call producer%close(30000)
    end subroutine

    subroutine expect(right, n)
        logical, intent(in) :: right
        integer, intent(in) :: n
        character(12) :: text
        write (text, '(i0)') n
        if (.not. right) call fail('event '//trim(text)//' is another one')
    end subroutine

    subroutine next(consumer, event, n)
        type(mofka_consumer), intent(in) :: consumer
        type(mofka_event), intent(inout) :: event
        integer, intent(in) :: n
        character(12) :: text
        call consumer%pull(event, 30000)
        write (text, '(i0)') n
        call expect(event%metadata() == '{"n":'//trim(text)//'}' .and. event%id() == n, n)
        call expect(event%selected_bytes() == event%data_bytes() .and. event%lost() == 0, n)
    end subroutine

    subroutine consume()
        type(mofka_consumer) :: consumer, copy
        type(mofka_event) :: event, kept
        character(:), allocatable :: text
        integer :: failed
        real(real64) :: cube(4, 5, 6), spread(9, 4), plane64(4, 5), whole(4, 5, 6)
        real(real32) :: line(10)
        integer(int32) :: scalar
        integer(int64) :: plane(2, 2)
        integer(int8) :: bytes(3)
        complex(real32) :: small(3)
        complex(real64) :: large(1)
        whole = field()
        call consumer%create(topic, 'reader', with_data=.true., targets=[0], batch_size=3, max_batches=2)
        call next(consumer, event, 0)
        kept = event
        call event%read(cube)
        call expect(all(cube == field()), 0)
        call next(consumer, event, 1)
        call event%read(line)
        call expect(all(line == 2.5), 1)
        call next(consumer, event, 2)
        call event%read(scalar)
        call expect(scalar == 42, 2)
        call next(consumer, event, 3)
        call event%read(plane)
        call expect(all(plane == reshape([1, 2, 3, 4], [2, 2])), 3)
        call next(consumer, event, 4)
        call event%read(bytes)
        call expect(all(bytes == [1, 2, 3]), 4)
        call next(consumer, event, 5)
        call event%read(small)
        call expect(all(small == (1.0, -1.0)), 5)
        call next(consumer, event, 6)
        call event%read(large)
        call expect(all(large == (2.0, -2.0)), 6)
        spread = 0
        call next(consumer, event, 7)
        call event%read(spread(1:8:2, 2:4:2)) ! into what is not contiguous either
        call expect(all(spread(1:8:2, 2:4:2) == whole(:, 2:4:2, 3)) .and. sum(spread) == sum(whole(:, 2:4:2, 3)), 7)
        call next(consumer, event, 8)
        call event%read(spread(4:1:-1, 1))
        call expect(all(spread(1:4, 1) == whole(:, 5, 6)), 8)
        call next(consumer, event, 9)
        call event%read(line)
        call expect(all(line == 1.5), 9)
        call next(consumer, event, 10)
        call event%read(plane64)
        call expect(all(plane64 == whole(:, :, 3)), 10)
        call consumer%seek(0, 10_int64)
        call next(consumer, event, 10)
        call expect(event%id() == 10 .and. consumer%rewound() == 0, 13)
        call consumer%seek_time(0_int64, failed)
        call expect(failed == mofka_err_unsupported, 14)
        call topic%ends(text, 1000, failed)
        call expect(failed == mofka_err_unsupported, 15)
        call event%acknowledge()
        call consumer%pull(event, 30000)
        call expect(event%is_end() .and. event%id() == -1 .and. event%metadata() == '', 11)
        call expect(kept%metadata() == '{"n":0}' .and. consumer%lost() == 0, 12)
        call kept%release()
        call event%release()
        copy = consumer
        call consumer%close()
        call copy%close()
    end subroutine
end program
