! SPDX-License-Identifier: BSD-3-Clause
! push_c.c in Fortran.
!   push_fortran EVENTS metadata|data|future
program push_fortran
    use mpi_f08
    use mofka
    implicit none
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    type(mofka_producer) :: producer
    type(mofka_future) :: future
    character(128) :: text = repeat('x', 128)
    character(16) :: argument
    character(64) :: half = repeat('x', 64)
    real :: data(16) = 0
    integer :: level, events, i

    call get_command_argument(1, argument)
    read (argument, *) events
    call get_command_argument(2, argument)
    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call driver%create(MPI_COMM_WORLD, '{"window":"shm"}')
    call driver%create_topic('t', '{"retention":"discard_oldest"}')
    call driver%open_topic('t', topic)
    call producer%create(topic)
    select case (argument)
    case ('metadata')
        do i = 1, events
            call producer%push(text)
        end do
    case ('data')
        do i = 1, events
            call producer%push(half, data)
        end do
    case default
        do i = 1, events
            call producer%push(text, future)
        end do
    end select
    call producer%close()
    call future%release()
    call topic%release()
    call driver%close()
    call MPI_Finalize()
end program
