! SPDX-License-Identifier: BSD-3-Clause
! Constants, errors and texts, for the other modules. Programs use the module mofka.
module mofka_base
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use mofka_c
    implicit none
    private
    public :: mofka_error_name, mofka_error_message, mofka_fail
    public :: report, text_of, text_of_bytes, text_of_metadata, c_text, limit_of, number_of, flag_of

    ! Statuses, as in mofka/status.h.
    integer, parameter, public :: mofka_ok = 0
    integer, parameter, public :: mofka_stop = 1
    integer, parameter, public :: mofka_err_invalid = -1
    integer, parameter, public :: mofka_err_range = -2
    integer, parameter, public :: mofka_err_not_found = -3
    integer, parameter, public :: mofka_err_exists = -4
    integer, parameter, public :: mofka_err_json = -5
    integer, parameter, public :: mofka_err_option = -6
    integer, parameter, public :: mofka_err_refused = -7
    integer, parameter, public :: mofka_err_too_large = -8
    integer, parameter, public :: mofka_err_unsupported = -9
    integer, parameter, public :: mofka_err_timeout = -10
    integer, parameter, public :: mofka_err_possibly_stored = -11
    integer, parameter, public :: mofka_err_busy = -12
    integer, parameter, public :: mofka_err_memory = -13
    integer, parameter, public :: mofka_err_full = -14
    integer, parameter, public :: mofka_err_closed = -15
    integer, parameter, public :: mofka_err_complete = -16
    integer, parameter, public :: mofka_err_mpi = -17
    integer, parameter, public :: mofka_err_system = -18
    integer, parameter, public :: mofka_err_corrupt = -19
    integer, parameter, public :: mofka_err_callback = -20
    integer, parameter, public :: mofka_err_storage = -21
    ! As a time-out: wait without limit. As a partition of a push: let the selector choose.
    integer, parameter, public :: mofka_wait_forever = -1, mofka_any_partition = -1
    ! Of producers: see mofka_ordering_t and mofka_when_full_t.
    integer, parameter, public :: mofka_ordering_strict = 0, mofka_ordering_loose = 1
    integer, parameter, public :: mofka_when_full_wait = 0, mofka_when_full_drop_newest = 1
    ! Of consumers: see mofka_start_t and mofka_acknowledge_t.
    integer, parameter, public :: mofka_start_beginning = 0, mofka_start_end = 1
    integer, parameter, public :: mofka_acknowledge_manual = 0, mofka_acknowledge_auto = 1

contains

    ! ---- errors ------------------------------------------------------------------------------------

    ! The message of this thread's last error.
    function mofka_error_message() result(message)
        character(:), allocatable :: message
        message = text_of(mofka_last_error())
    end function

    ! The name of a status, such as MOFKA_ERR_TIMEOUT.
    function mofka_error_name(error) result(name)
        integer, intent(in) :: error
        character(:), allocatable :: name
        name = text_of(mofka_status_name(int(error, c_int)))
    end function

    ! Set the message of an error, in a callback; returns the status.
    integer function mofka_fail(status, message)
        integer, intent(in) :: status
        character(*), intent(in) :: message
        mofka_fail = mofka_fortran_fail(int(status, c_int), c_text(message))
    end function

    ! Give the status, or end the program for an error that nobody asks for.
    subroutine report(status, what, error)
        integer(c_int), intent(in) :: status
        character(*), intent(in) :: what
        integer, intent(out), optional :: error
        if (present(error)) then
            error = status
        else if (status < 0) then
            write (error_unit, '(a)') 'mofka: '//what//': '//mofka_error_name(int(status))//': '//mofka_error_message()
            flush (error_unit)
            error stop 1
        end if
    end subroutine

    ! ---- texts -------------------------------------------------------------------------------------

    function text_of(pointer) result(text)
        type(c_ptr), intent(in) :: pointer
        character(:), allocatable :: text
        interface
            integer(c_size_t) function strlen(text) bind(c)
                import :: c_ptr, c_size_t
                type(c_ptr), value :: text
            end function
        end interface
        if (c_associated(pointer)) then
            text = text_of_bytes(pointer, strlen(pointer))
        else
            text = ''
        end if
    end function

    function text_of_bytes(pointer, bytes) result(text)
        type(c_ptr), intent(in) :: pointer
        integer(c_size_t), intent(in) :: bytes
        character(:), allocatable :: text
        character(kind=c_char), dimension(:), pointer :: letters
        integer(c_size_t) :: i
        call c_f_pointer(pointer, letters, [bytes])
        allocate (character(bytes) :: text)
        do i = 1, bytes
            text(i:i) = letters(i)
        end do
    end function

    ! For C; one that is not present is empty.
    function c_text(text) result(terminated)
        character(*), intent(in), optional :: text
        character(:), allocatable :: terminated
        if (present(text)) then
            terminated = trim(text)//c_null_char
        else
            terminated = c_null_char
        end if
    end function

    ! The text of metadata, which are released; empty after an error.
    function text_of_metadata(metadata, status) result(text)
        type(c_ptr), intent(in) :: metadata
        integer(c_int), intent(in) :: status
        character(:), allocatable :: text
        type(c_ptr) :: pointer
        integer(c_size_t) :: bytes
        text = ''
        if (status /= mofka_ok) return
        pointer = mofka_metadata_text(metadata, bytes)
        text = text_of_bytes(pointer, bytes)
        call mofka_metadata_release(metadata)
    end function

    pure function limit_of(timeout_ms) result(limit)
        integer, intent(in), optional :: timeout_ms
        integer(c_int64_t) :: limit
        limit = mofka_wait_forever
        if (present(timeout_ms)) limit = timeout_ms
    end function

    pure function number_of(value, default) result(number)
        integer, intent(in), optional :: value
        integer, intent(in) :: default
        integer(c_int64_t) :: number
        number = default
        if (present(value)) number = value
    end function

    pure function flag_of(value) result(flag)
        logical, intent(in), optional :: value
        integer(c_int64_t) :: flag
        flag = 0
        if (present(value)) flag = merge(1, 0, value)
    end function

end module mofka_base
