! SPDX-License-Identifier: BSD-3-Clause
! Claims: the producer fills memory of the partition, or of the library in an rma window.
program fortran_claims
    use, intrinsic :: iso_fortran_env, only: int8, int32, int64, real32, real64
    use mpi_f08
    use mofka
    implicit none
    integer, parameter :: cells = 1000
    type(mofka_driver) :: driver
    type(mofka_topic) :: topic
    integer :: level, rank
    character(8) :: window

    call MPI_Init_thread(MPI_THREAD_MULTIPLE, level)
    call MPI_Comm_rank(MPI_COMM_WORLD, rank)
    call get_command_argument(1, window)
    call driver%create(MPI_COMM_WORLD, '{"window":"'//trim(window)//'"}')
    if (rank == 0) call driver%create_topic('claims', '{"partition_bytes":65536,"expected_producers":1}')
    call driver%open_topic('claims', topic, 10000)
    if (rank == 0) call produce()
    if (rank == 1) call consume()
    call topic%release()
    call driver%close(30000)
    if (rank == 0) print '(a)', 'fortran: claims are events'
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

    subroutine produce()
        type(mofka_producer) :: producer
        type(mofka_claim) :: claim
        type(mofka_future) :: future
        real(real64), pointer, contiguous :: field(:)
        integer(int64) :: id
        integer :: i, error
        call producer%create(topic)
        call claim%create(producer, 64, 8_int64 * cells)
        call claim%point(field)
        field = [(real(i, real64), i = 1, cells)]
        call expect(size(field) == cells .and. claim%data_bytes() == 8*cells .and. claim%metadata_bytes_max() == 64, &
                    'the claim has another size')
        call expect(claim%is_in_place() .eqv. window == 'shm', 'it is in another place')
        call claim%create(producer, 64, 8_int64, error=error)
        call expect(error == mofka_err_busy, 'an open claim is replaced')
        call producer%close(1000, error)
        call expect(error == mofka_err_busy, 'the producer is closed before its claim ends')
        call claim%commit(repeat('x', 65), error=error)
        call expect(error == mofka_err_invalid .and. claim%is_set(), 'metadata of 65 bytes have room in 64')
        call claim%commit('{"step":1}')
        call expect(.not. claim%is_set(), 'the claim is open after its commit')
        call claim%commit('{}', error=error)
        call expect(error == mofka_err_invalid, 'a claim is committed twice')
        call claim%point(field, error)
        call expect(error == mofka_err_invalid .and. .not. associated(field), 'there are data after the commit')
        call claim%create(producer, 64, 12_int64, partition=0)
        call claim%point(field, error)
        call expect(error == mofka_err_range, 'real64 fit in 12 bytes')
        call claim%abort()
        call claim%abort() ! does nothing
        call claim%create(producer, 64, -1_int64, error=error)
        call expect(error == mofka_err_range, 'a size is negative')
        call points_of_all_types(producer)
        call claim%create(producer, 64, 0_int64)
        call claim%point(field)
        call expect(size(field) == 0, 'there are data')
        call claim%commit('{"last":true}', future)
        call future%wait(id, timeout_ms=30000)
        call expect(id == merge(3, 2, window == 'shm'), 'the future has another id') ! in place, the abort leaves a void
        call producer%close(30000)
    end subroutine

    subroutine points_of_all_types(producer)
        type(mofka_producer), intent(in) :: producer
        type(mofka_claim) :: claim
        integer(int8), pointer, contiguous :: bytes(:)
        integer(int32), pointer, contiguous :: shorts(:)
        integer(int64), pointer, contiguous :: longs(:)
        real(real32), pointer, contiguous :: singles(:)
        complex(real32), pointer, contiguous :: pairs(:)
        complex(real64), pointer, contiguous :: doubles(:)
        call claim%create(producer, 16, 32_int64)
        call claim%point(bytes)
        call claim%point(shorts)
        call claim%point(longs)
        call claim%point(singles)
        call claim%point(pairs)
        call claim%point(doubles)
        call expect(all([size(bytes), size(shorts), size(longs), size(singles), size(pairs), size(doubles)] == &
                        [32, 8, 4, 8, 4, 2]), 'a pointer has another size')
        longs = [1_int64, 2_int64, 3_int64, 4_int64]
        call expect(all(shorts == [1, 0, 2, 0, 3, 0, 4, 0]) .and. bytes(9) == 2, 'pointers show other memory')
        call claim%commit('{"longs":4}')
    end subroutine

    subroutine consume()
        type(mofka_consumer) :: consumer
        type(mofka_event) :: event
        real(real64) :: field(cells)
        integer(int64) :: longs(4)
        integer :: i
        call consumer%create(topic, 'reader', with_data=.true.)
        call consumer%pull(event, 30000)
        call event%read(field)
        call expect(event%metadata() == '{"step":1}' .and. all(field == [(real(i, real64), i = 1, cells)]), &
                    'the first event is another one')
        call consumer%pull(event, 30000)
        call event%read(longs)
        call expect(event%metadata() == '{"longs":4}' .and. all(longs == [1, 2, 3, 4]), 'the second one is another one')
        call consumer%pull(event, 30000)
        call expect(event%metadata() == '{"last":true}' .and. event%data_bytes() == 0, 'the third one is another one')
        call consumer%pull(event, 30000)
        call expect(event%is_end(), 'an event was not committed')
        call event%release()
        call consumer%close()
    end subroutine
end program
