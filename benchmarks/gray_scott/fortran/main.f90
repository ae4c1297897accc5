! SPDX-License-Identifier: BSD-3-Clause
! The simulating ranks of the demo, in Fortran. They publish for the analysis ranks of the C program,
! which come last in the job, and have the same arguments:
!   mpiexec -n 3 gray_scott_fortran : -n 1 gray_scott
! All ranks take part in the same collective calls, in the order of ../main.c.
program gray_scott_fortran
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit, int64, real64
    use mpi_f08
    use mofka
    use gray_scott_simulation
    implicit none

    type, bind(c) :: timespec
        integer(c_long) :: seconds, nanoseconds
    end type
    interface
        integer(c_int) function mkdir(name, mode) bind(c)
            import :: c_char, c_int
            character(kind=c_char), intent(in) :: name(*)
            integer(c_int), value :: mode
        end function
        integer(c_int) function clock_gettime(clock, now) bind(c)
            import :: c_int, timespec
            integer(c_int), value :: clock
            type(timespec), intent(out) :: now
        end function
    end interface

    character(16) :: window = 'auto'
    character(256) :: output = 'demo-out'
    integer :: cells = 384, steps = 8000, every = 80, full_every = 5, analysis_ranks = 1
    integer :: level, rank, ranks, result, ignored
    integer(int64) :: events = 0, bytes = 0
    real(real64) :: seconds
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    type(MPI_Group) :: all
    type(MPI_Comm) :: comm, demo

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks)
    call read_options()
    if (rank == 0) ignored = mkdir(trim(output)//c_null_char, int(o'777', c_int)) ! it may be there
    result = 0
    call MPI_Comm_group(MPI_COMM_WORLD, all)
    call MPI_Comm_create_group(MPI_COMM_WORLD, all, 0, demo) ! as the demo in C does
    call MPI_Bcast(result, 1, MPI_INTEGER, 0, demo)
    call open_all()
    call MPI_Barrier(demo)
    seconds = MPI_Wtime()
    call simulate()
    call MPI_Barrier(demo)
    call summarise(MPI_Wtime() - seconds)
    call MPI_Comm_free(comm)
    call MPI_Comm_free(demo)
    call MPI_Group_free(all)
    call topic%release()
    call driver%close(60000)
    call MPI_Finalize()
    if (result /= 0) error stop 1

contains

    subroutine read_options()
        character(256) :: name, value
        integer :: i
        do i = 1, command_argument_count(), 2
            call get_command_argument(i, name)
            call get_command_argument(i + 1, value)
            select case (name)
            case ('--window')
                window = value(1:16)
            case ('--output')
                output = value
            case ('--size')
                read (value, *) cells
            case ('--steps')
                read (value, *) steps
            case ('--every')
                read (value, *) every
            case ('--full-every')
                read (value, *) full_every ! for the analysis
            case ('--analysis-ranks')
                read (value, *) analysis_ranks
            case default
                write (error_unit, '(2a)') 'gray_scott_fortran: unknown argument ', trim(name)
                call MPI_Abort(MPI_COMM_WORLD, 2)
            end select
        end do
        if (rank < ranks - analysis_ranks) return
        write (error_unit, '(a)') 'gray_scott_fortran: the last ranks of the job analyse: start gray_scott there'
        call MPI_Abort(MPI_COMM_WORLD, 2)
    end subroutine

    ! The driver, and the topic with a partition for each simulating rank.
    subroutine open_all()
        character(256) :: options
        integer(int64) :: slab_bytes
        integer :: simulating
        simulating = ranks - analysis_ranks
        write (options, '(3a,i0,a)') '{"window":"', trim(window), '","arena_bytes":', &
            8 * int(cells, int64)**2 * 8 + 2**20, '}'
        call driver%create(MPI_COMM_WORLD, options)
        slab_bytes = (cells / sample / simulating + 1) * sample * int(cells, int64) * 8
        write (options, '(a,i0,a,i0,a,i0,a)') '{"partitions":', simulating, ',"partition_bytes":', &
            4 * (slab_bytes + 1024), ',"partition_events":64,"expected_producers":', simulating, '}'
        if (rank == 0) call driver%create_topic('gray-scott', options)
        call driver%open_topic('gray-scott', topic, 10000)
    end subroutine

    subroutine simulate()
        type(slab) :: own
        type(mofka_producer) :: producer
        integer :: i
        call MPI_Comm_split(demo, 0, rank, comm)
        call producer%create(topic)
        call own%init(cells, comm)
        do i = 1, steps
            call own%step()
            if (mod(i, every) == 0) call publish(own, producer, i)
        end do
        call producer%close()
    end subroutine

    ! Publish the slab of v as it lies in memory. It is stored before the next step may change it.
    subroutine publish(own, producer, step)
        type(slab), intent(in) :: own
        type(mofka_producer), intent(in) :: producer
        integer, intent(in) :: step
        integer(int64) :: full, sampled
        character(320) :: metadata
        type(timespec) :: now
        integer :: row
        full = checksum_start
        sampled = checksum_start
        do row = 1, own%rows
            full = field_checksum(full, own%v(:, row), 1)
            if (mod(row - 1, sample) == 0) sampled = field_checksum(sampled, own%v(:, row), sample)
        end do
        ignored = clock_gettime(0_c_int, now)
        write (metadata, '(4(a,i0),2(a,z16.16),a,i0,a,i6.6,a)') '{"step":', step, ',"row0":', own%row0, ',"rows":', &
            own%rows, ',"n":', own%n, ',"checksum":"', full, '","sample_checksum":"', sampled, '","time":', &
            now%seconds, '.', now%nanoseconds / 1000, '}'
        call producer%push(metadata, own%v(:, 1:own%rows), partition=rank)
        call producer%flush()
        events = events + 1
        bytes = bytes + own%rows * own%n * 8_int64 + len_trim(metadata)
    end subroutine

    ! Events, bytes and errors of all ranks; rank 0 prints what the C program would.
    subroutine summarise(elapsed)
        real(real64), intent(in) :: elapsed
        integer(int64) :: own(6), total(6)
        integer, allocatable :: counts(:), starts(:)
        real(real64), allocatable :: latencies(:)
        real(real64) :: none(1)
        integer :: i
        own = [events, bytes, 0_int64, 0_int64, 0_int64, 0_int64]
        call MPI_Allreduce(own, total, 6, MPI_UINT64_T, MPI_SUM, demo)
        allocate (counts(ranks), source=0)
        allocate (starts(ranks), source=0) ! in one statement, gfortran 10 gives both the same memory
        call MPI_Gather(0, 1, MPI_INT, counts, 1, MPI_INT, 0, demo)
        do i = 2, ranks
            starts(i) = starts(i - 1) + counts(i - 1)
        end do
        allocate (latencies(sum(counts)))
        call MPI_Gatherv(none, 0, MPI_DOUBLE, latencies, counts, starts, MPI_DOUBLE, 0, demo)
        result = merge(0, 1, total(6) == 0 .and. total(1) == total(3) .and. total(1) > 0)
        if (rank == 0) print '(4(a,i0),2(a,f0.4),2a)', 'events=', total(3), ' published=', total(2), &
            'B fetched=', total(4), 'B frames=', total(5), ' GB/s=', total(2) * 1e-9_real64 / elapsed, &
            ' latency_mean_ms=', 1e3_real64 * sum(latencies) / max(1, size(latencies)), &
            ' verified=', merge('yes', 'no ', result == 0)
    end subroutine
end program
