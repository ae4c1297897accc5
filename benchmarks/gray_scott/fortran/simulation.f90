! SPDX-License-Identifier: BSD-3-Clause
! Reaction and diffusion of two species on a periodic square: the slab of one rank, as in
! ../simulation.c. Rows are the second dimension, so that a slab is contiguous.
module gray_scott_simulation
    use, intrinsic :: iso_c_binding, only: c_int
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mpi_f08
    implicit none
    private
    public :: slab, sample, checksum_start, field_checksum

    ! Every 4th row and column make the down-sampled selection.
    integer, parameter :: sample = 4
    integer(int64), parameter :: checksum_start = -7046029254386353131_int64 ! 9e3779b97f4a7c15
    integer(int64), parameter :: factor = -49064778989728563_int64           ! ff51afd7ed558ccd
    real(real64), parameter :: diffusion_u = 0.16_real64, diffusion_v = 0.08_real64
    real(real64), parameter :: feed = 0.035_real64, decay = 0.060_real64

    type :: slab
        integer :: n, rows, row0 ! cells of a row, own rows, the first of them
        real(real64), allocatable :: u(:, :), v(:, :), next_u(:, :), next_v(:, :) ! rows 0 and rows + 1: halo
        type(MPI_Comm) :: comm
        integer :: above, below
    contains
        procedure :: init => slab_init
        procedure :: step => slab_step
    end type

    interface
        integer(c_int) function sched_yield() bind(c)
            import :: c_int
        end function
    end interface

contains

    ! Continues `sum`. Products wrap at 64 bits (-fwrapv).
    pure integer(int64) function field_checksum(sum, values, stride)
        integer(int64), intent(in) :: sum
        real(real64), intent(in) :: values(:)
        integer, intent(in) :: stride
        integer :: i
        field_checksum = sum
        do i = 1, size(values), stride
            field_checksum = ieor(field_checksum, transfer(values(i), 0_int64)) * factor
            field_checksum = ieor(field_checksum, shiftr(field_checksum, 29))
        end do
    end function

    subroutine slab_init(this, n, comm)
        class(slab), intent(inout) :: this
        integer, intent(in) :: n
        type(MPI_Comm), intent(in) :: comm
        integer :: rank, ranks, lines, first, last
        call MPI_Comm_rank(comm, rank)
        call MPI_Comm_size(comm, ranks)
        ! Slabs begin at a sampled row, so that the samples of all make one grid.
        lines = n / sample
        first = lines * rank / ranks
        last = lines * (rank + 1) / ranks
        this%n = n
        this%rows = (last - first) * sample
        this%row0 = first * sample
        this%comm = comm
        this%above = modulo(rank - 1, ranks)
        this%below = modulo(rank + 1, ranks)
        allocate (this%u(0:n - 1, 0:this%rows + 1), source=1.0_real64)
        allocate (this%v(0:n - 1, 0:this%rows + 1), source=0.0_real64)
        allocate (this%next_u, source=this%u)
        allocate (this%next_v, source=this%v)
        call slab_seed(this)
    end subroutine

    ! The seeds are squares at fixed, scattered places of the whole field.
    subroutine slab_seed(this)
        class(slab), intent(inout) :: this
        integer(int64) :: random
        integer :: seed, dx, dy, x, y, row
        random = 12345
        do seed = 1, 24
            random = random * 6364136223846793005_int64 + 1442695040888963407_int64
            do dy = 0, 7
                do dx = 0, 7
                    y = int(mod(shiftr(random, 40), int(this%n, int64)))
                    x = int(mod(shiftr(random, 20), int(this%n, int64)))
                    row = mod(y + dy, this%n) - this%row0 + 1
                    x = mod(x + dx, this%n)
                    if (row < 1 .or. row > this%rows) cycle
                    this%u(x, row) = 0.5_real64
                    this%v(x, row) = 0.25_real64
                end do
            end do
        end do
    end subroutine

    ! The halo rows of one field.
    subroutine slab_exchange(this, field, tag, requests)
        class(slab), intent(in) :: this
        real(real64), intent(inout), asynchronous :: field(0:, 0:)
        integer, intent(in) :: tag
        type(MPI_Request), intent(out) :: requests(4)
        call MPI_Irecv(field(:, 0), this%n, MPI_DOUBLE_PRECISION, this%above, tag, this%comm, requests(1))
        call MPI_Irecv(field(:, this%rows + 1), this%n, MPI_DOUBLE_PRECISION, this%below, tag + 1, this%comm, &
                       requests(2))
        call MPI_Isend(field(:, this%rows), this%n, MPI_DOUBLE_PRECISION, this%below, tag, this%comm, requests(3))
        call MPI_Isend(field(:, 1), this%n, MPI_DOUBLE_PRECISION, this%above, tag + 1, this%comm, requests(4))
    end subroutine

    ! The wait yields: with more ranks than cores, a rank that spins would take another's core.
    subroutine slab_wait(requests)
        type(MPI_Request), intent(inout) :: requests(8)
        logical :: done
        integer :: ignored
        do
            call MPI_Testall(8, requests, done, MPI_STATUSES_IGNORE)
            if (done) exit
            ignored = sched_yield()
        end do
    end subroutine

    subroutine slab_step(this)
        class(slab), intent(inout) :: this
        type(MPI_Request) :: requests(8)
        real(real64) :: u, v, reaction, lap_u, lap_v
        integer :: x, row, west, east
        call slab_exchange(this, this%u, 0, requests(1:4))
        call slab_exchange(this, this%v, 2, requests(5:8))
        call slab_wait(requests)
        do row = 1, this%rows
            do x = 0, this%n - 1
                west = modulo(x - 1, this%n)
                east = modulo(x + 1, this%n)
                u = this%u(x, row)
                v = this%v(x, row)
                reaction = u * v * v
                lap_u = this%u(x, row - 1) + this%u(x, row + 1) + this%u(west, row) + this%u(east, row) - 4 * u
                lap_v = this%v(x, row - 1) + this%v(x, row + 1) + this%v(west, row) + this%v(east, row) - 4 * v
                this%next_u(x, row) = u + diffusion_u * lap_u - reaction + feed * (1 - u)
                this%next_v(x, row) = v + diffusion_v * lap_v + reaction - (feed + decay) * v
            end do
        end do
        call slab_swap(this%u, this%next_u)
        call slab_swap(this%v, this%next_v)
    end subroutine

    subroutine slab_swap(a, b)
        real(real64), allocatable, intent(inout) :: a(:, :), b(:, :)
        real(real64), allocatable :: c(:, :)
        call move_alloc(a, c)
        call move_alloc(b, a)
        call move_alloc(c, b)
    end subroutine
end module
