! SPDX-License-Identifier: BSD-3-Clause
! A Fortran program over the MPI driver: rank 0 produces, and the last rank consumes.
program outside
    use mpi_f08
    use mofka
    implicit none
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    type(mofka_producer) :: producer
    type(mofka_consumer) :: consumer
    type(mofka_event) :: event
    integer :: level, rank, ranks, numbers(3) = [1, 2, 3], got(3)

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call MPI_Comm_size(MPI_COMM_WORLD, ranks)
    call driver%create(MPI_COMM_WORLD)
    if (rank == 0) call driver%create_topic('numbers', options='{"expected_producers":1}')
    call driver%open_topic('numbers', topic, timeout_ms=10000)
    if (rank == 0) then
        call producer%create(topic)
        call producer%push('{"n":3}', numbers)
        call producer%close()
    end if
    if (rank == ranks - 1) then
        call consumer%create(topic, 'reader', with_data=.true.)
        do
            call consumer%pull(event, 10000)
            if (event%is_end()) exit
            call event%read(got)
            if (event%metadata() /= '{"n":3}' .or. any(got /= numbers)) error stop 1
        end do
        call event%release()
        call consumer%close()
    end if
    call topic%release()
    call driver%close(10000)
    call MPI_Finalize()
end program
