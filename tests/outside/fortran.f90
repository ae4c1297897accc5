! SPDX-License-Identifier: BSD-3-Clause
! A Fortran program makes a driver over its communicator, creates a topic and finds it again.
program fortran
    use iso_c_binding
    use mpi
    implicit none
    interface
        integer(c_int) function mofka_mpi_driver_create_f(comm, options, driver) bind(c)
            import :: c_int, c_ptr, c_char
            integer(c_int), value :: comm
            character(kind=c_char), intent(in) :: options(*)
            type(c_ptr), intent(out) :: driver
        end function
        integer(c_int) function mofka_driver_create_topic(driver, name, options) bind(c)
            import :: c_int, c_ptr, c_char
            type(c_ptr), value :: driver, options
            character(kind=c_char), intent(in) :: name(*)
        end function
        integer(c_int) function mofka_driver_topic_exists(driver, name, exists) bind(c)
            import :: c_int, c_ptr, c_char, c_bool
            type(c_ptr), value :: driver
            character(kind=c_char), intent(in) :: name(*)
            logical(c_bool), intent(out) :: exists
        end function
        integer(c_int) function mofka_driver_close(driver, timeout_ms) bind(c)
            import :: c_int, c_ptr, c_int64_t
            type(c_ptr), value :: driver
            integer(c_int64_t), value :: timeout_ms
        end function
        subroutine mofka_driver_release(driver) bind(c)
            import :: c_ptr
            type(c_ptr), value :: driver
        end subroutine
    end interface
    type(c_ptr) :: driver
    integer :: error, level, rank
    logical(c_bool) :: exists

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level, error)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
    call check(mofka_mpi_driver_create_f(MPI_COMM_WORLD, '{"window":"shm"}'//c_null_char, driver))
    if (rank == 0) call check(mofka_driver_create_topic(driver, 'field'//c_null_char, c_null_ptr))
    call MPI_Barrier(MPI_COMM_WORLD, error)
    call check(mofka_driver_topic_exists(driver, 'field'//c_null_char, exists))
    if (.not. exists) stop 1
    call check(mofka_driver_close(driver, 20000_c_int64_t))
    call mofka_driver_release(driver)
    if (rank == 0) print *, 'fortran: the topic is there'
    call MPI_Finalize(error)

contains

    subroutine check(status)
        integer(c_int), intent(in) :: status
        if (status /= 0) then
            print *, 'status', status
            call MPI_Abort(MPI_COMM_WORLD, 1, error)
            stop 1 ! MPI_Abort may return
        end if
    end subroutine
end program
