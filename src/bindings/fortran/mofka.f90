! SPDX-License-Identifier: BSD-3-Clause
! mofka for MPI in Fortran 2018. src/bindings/fortran/README.md of the source tree explains it.
!
! - A handle, such as a mofka_driver, is copied by assignment; both copies are users of one object. A
!   handle that goes out of scope, or is assigned to, releases its object. It does not close it: call
!   close, which can fail. Its component `handle` is that of the C interface, and is not changed.
! - Every subroutine has `error`, which is optional: a status, 0 for success. Without it an error
!   prints its message and ends the program by `error stop`. mofka_error_message gives the message.
! - Metadata are JSON text. Trailing blanks of all texts are left out.
! - The data of an event are an array or a scalar: integer of 1, 4 or 8 bytes, real or complex of 4 or
!   8 bytes a part, of any rank. It is not copied: it must not change, and must exist, until a flush or
!   the event's future says that it is stored. So it is a variable, not an expression. It is copied if
!   it is not contiguous, or with copy=.true.
! - Callbacks are procedures of the interfaces mofka_select, mofka_choose, mofka_process and
!   mofka_process_none. Workers call them, several at once, so write `recursive` at them and at what they
!   call. Fortran 2018 has that by default, but gfortran does not. Those of a consumer or a producer are
!   used as long as that lives, so they are procedures of a module; those of process may be internal ones.
! - Time-outs are milliseconds; a negative one, the default, waits without limit.
! - Partitions and event ids count from 0.
module mofka
    use mofka_base, only: mofka_error_name, mofka_error_message, mofka_fail, &
        mofka_ok, mofka_stop, mofka_err_invalid, mofka_err_range, mofka_err_not_found, &
        mofka_err_exists, mofka_err_json, mofka_err_option, mofka_err_refused, mofka_err_too_large, &
        mofka_err_unsupported, mofka_err_timeout, mofka_err_possibly_stored, mofka_err_busy, &
        mofka_err_memory, mofka_err_full, mofka_err_closed, mofka_err_complete, mofka_err_mpi, &
        mofka_err_system, mofka_err_corrupt, mofka_err_callback, mofka_err_storage, mofka_wait_forever, &
        mofka_any_partition, mofka_ordering_strict, mofka_ordering_loose, mofka_when_full_wait, &
        mofka_when_full_drop_newest, mofka_start_beginning, &
        mofka_start_end, mofka_acknowledge_manual, mofka_acknowledge_auto
    use mofka_topics, only: mofka_driver, mofka_topic
    use mofka_producers, only: mofka_producer, mofka_future
    use mofka_claims, only: mofka_claim
    use mofka_callbacks, only: mofka_selection, mofka_select, mofka_choose
    use mofka_consumers, only: mofka_consumer, mofka_event, mofka_process, mofka_process_none
    implicit none
    public
end module mofka
