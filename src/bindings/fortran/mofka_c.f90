! SPDX-License-Identifier: BSD-3-Clause
! The functions of the C interface that the module mofka calls, and those of shim.c. Programs use the
! module mofka.
module mofka_c
    use, intrinsic :: iso_c_binding
    implicit none
    public

    interface
        integer(c_int) function mofka_mpi_driver_create_f(comm, options, driver) bind(c)
            import :: c_char, c_int, c_ptr
            integer(c_int), value :: comm
            character(kind=c_char), dimension(*), intent(in) :: options
            type(c_ptr), intent(out) :: driver
        end function
        integer(c_int) function mofka_driver_create(type, options, driver) bind(c)
            import :: c_char, c_int, c_ptr
            character(kind=c_char), dimension(*), intent(in) :: type, options
            type(c_ptr), intent(out) :: driver
        end function
        integer(c_int) function mofka_driver_close(driver, timeout_ms) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: driver
            integer(c_int64_t), value :: timeout_ms
        end function
        type(c_ptr) function mofka_driver_retain(driver) bind(c)
            import :: c_ptr
            type(c_ptr), value :: driver
        end function
        subroutine mofka_driver_release(driver) bind(c)
            import :: c_ptr
            type(c_ptr), value :: driver
        end subroutine
        integer(c_int) function mofka_fortran_create_topic(driver, name, options, validator, selector, serializer) &
            bind(c)
            import :: c_char, c_int, c_ptr
            type(c_ptr), value :: driver
            character(kind=c_char), dimension(*), intent(in) :: name, options, validator, selector, serializer
        end function
        integer(c_int) function mofka_driver_open_topic(driver, name, timeout_ms, topic) bind(c)
            import :: c_char, c_int, c_int64_t, c_ptr
            type(c_ptr), value :: driver
            character(kind=c_char), dimension(*), intent(in) :: name
            integer(c_int64_t), value :: timeout_ms
            type(c_ptr), intent(out) :: topic
        end function
        integer(c_int) function mofka_driver_topic_exists(driver, name, exists) bind(c)
            import :: c_bool, c_char, c_int, c_ptr
            type(c_ptr), value :: driver
            character(kind=c_char), dimension(*), intent(in) :: name
            logical(c_bool), intent(out) :: exists
        end function
        integer(c_int) function mofka_driver_delete_topic(driver, name) bind(c)
            import :: c_char, c_int, c_ptr
            type(c_ptr), value :: driver
            character(kind=c_char), dimension(*), intent(in) :: name
        end function
        integer(c_int) function mofka_driver_stats(driver, timeout_ms, stats) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: driver
            integer(c_int64_t), value :: timeout_ms
            type(c_ptr), intent(out) :: stats
        end function
        type(c_ptr) function mofka_topic_retain(topic) bind(c)
            import :: c_ptr
            type(c_ptr), value :: topic
        end function
        subroutine mofka_topic_release(topic) bind(c)
            import :: c_ptr
            type(c_ptr), value :: topic
        end subroutine
        type(c_ptr) function mofka_topic_name(topic) bind(c)
            import :: c_ptr
            type(c_ptr), value :: topic
        end function
        integer(c_size_t) function mofka_topic_partition_count(topic) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: topic
        end function
        integer(c_int) function mofka_topic_partition_info(topic, index, info) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: topic
            integer(c_size_t), value :: index
            type(c_ptr), intent(out) :: info
        end function
        integer(c_int) function mofka_topic_mark_complete(topic, timeout_ms) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: topic
            integer(c_int64_t), value :: timeout_ms
        end function
        integer(c_int) function mofka_topic_evict(topic, consumer, timeout_ms) bind(c)
            import :: c_char, c_int, c_int64_t, c_ptr
            type(c_ptr), value :: topic
            character(kind=c_char), dimension(*), intent(in) :: consumer
            integer(c_int64_t), value :: timeout_ms
        end function
        integer(c_int) function mofka_topic_ends(topic, timeout_ms, ends) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: topic
            integer(c_int64_t), value :: timeout_ms
            type(c_ptr), intent(out) :: ends
        end function
        integer(c_int) function mofka_fortran_producer_create(topic, name, options, numbers, fallback, choose, &
                                                              producer) bind(c)
            import :: c_char, c_funptr, c_int, c_int64_t, c_ptr
            type(c_ptr), value :: topic, fallback
            character(kind=c_char), dimension(*), intent(in) :: name, options
            integer(c_int64_t), dimension(*), intent(in) :: numbers
            type(c_funptr), value :: choose
            type(c_ptr), intent(out) :: producer
        end function
        integer(c_int) function mofka_producer_close(producer, timeout_ms) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: producer
            integer(c_int64_t), value :: timeout_ms
        end function
        type(c_ptr) function mofka_producer_retain(producer) bind(c)
            import :: c_ptr
            type(c_ptr), value :: producer
        end function
        subroutine mofka_producer_release(producer) bind(c)
            import :: c_ptr
            type(c_ptr), value :: producer
        end subroutine
        integer(c_int) function mofka_producer_push(producer, metadata, bytes, data, partition, future) bind(c)
            import :: c_char, c_int, c_ptr, c_size_t
            type(c_ptr), value :: producer, data, future
            character(kind=c_char), dimension(*), intent(in) :: metadata
            integer(c_size_t), value :: bytes, partition
        end function
        integer(c_int) function mofka_producer_claim(producer, metadata_bytes_max, data_bytes, partition, claim) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: producer
            integer(c_size_t), value :: metadata_bytes_max, data_bytes, partition
            type(c_ptr), intent(out) :: claim
        end function
        integer(c_size_t) function mofka_claim_metadata_bytes_max(claim) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: claim
        end function
        integer(c_size_t) function mofka_claim_data_bytes(claim) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: claim
        end function
        logical(c_bool) function mofka_claim_is_in_place(claim) bind(c)
            import :: c_bool, c_ptr
            type(c_ptr), value :: claim
        end function
        integer(c_int) function mofka_fortran_claim_place(claim, element_bytes, place, count) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: claim
            integer(c_size_t), value :: element_bytes
            type(c_ptr), intent(out) :: place
            integer(c_size_t), intent(out) :: count
        end function
        integer(c_int) function mofka_fortran_claim_commit(claim, metadata, bytes, future) bind(c)
            import :: c_char, c_int, c_ptr, c_size_t
            type(c_ptr), value :: claim, future
            character(kind=c_char), dimension(*), intent(in) :: metadata
            integer(c_size_t), value :: bytes
        end function
        subroutine mofka_claim_abort(claim) bind(c)
            import :: c_ptr
            type(c_ptr), value :: claim
        end subroutine
        integer(c_int) function mofka_producer_flush(producer, timeout_ms) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: producer
            integer(c_int64_t), value :: timeout_ms
        end function
        integer(c_int) function mofka_producer_discard(producer) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: producer
        end function
        integer(c_int64_t) function mofka_producer_oldest_pending_ms(producer) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: producer
        end function
        integer(c_int) function mofka_producer_stats(producer, stats) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: producer
            type(c_ptr), intent(out) :: stats
        end function
        type(c_ptr) function mofka_future_retain(future) bind(c)
            import :: c_ptr
            type(c_ptr), value :: future
        end function
        subroutine mofka_future_release(future) bind(c)
            import :: c_ptr
            type(c_ptr), value :: future
        end subroutine
        logical(c_bool) function mofka_future_completed(future) bind(c)
            import :: c_bool, c_ptr
            type(c_ptr), value :: future
        end function
        integer(c_int) function mofka_fortran_wait(future, timeout_ms, event_id, partition) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: future
            integer(c_int64_t), value :: timeout_ms
            integer(c_int64_t), intent(out) :: event_id, partition
        end function
        integer(c_int) function mofka_fortran_consumer_create(topic, name, options, numbers, targets, select, &
                                                              consumer) bind(c)
            import :: c_char, c_funptr, c_int, c_int64_t, c_ptr
            type(c_ptr), value :: topic
            character(kind=c_char), dimension(*), intent(in) :: name, options
            integer(c_int64_t), dimension(*), intent(in) :: numbers, targets
            type(c_funptr), value :: select
            type(c_ptr), intent(out) :: consumer
        end function
        integer(c_int) function mofka_fortran_process(consumer, callbacks, has_none, numbers, processed) bind(c)
            import :: c_bool, c_int, c_int64_t, c_ptr
            type(c_ptr), value :: consumer, callbacks
            logical(c_bool), value :: has_none
            integer(c_int64_t), dimension(*), intent(in) :: numbers
            integer(c_int64_t), intent(out) :: processed
        end function
        integer(c_int) function mofka_consumer_close(consumer) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: consumer
        end function
        integer(c_int) function mofka_consumer_unsubscribe(consumer) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: consumer
        end function
        type(c_ptr) function mofka_consumer_retain(consumer) bind(c)
            import :: c_ptr
            type(c_ptr), value :: consumer
        end function
        subroutine mofka_consumer_release(consumer) bind(c)
            import :: c_ptr
            type(c_ptr), value :: consumer
        end subroutine
        integer(c_int) function mofka_consumer_pull(consumer, timeout_ms, event) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: consumer
            integer(c_int64_t), value :: timeout_ms
            type(c_ptr), intent(out) :: event
        end function
        integer(c_int64_t) function mofka_consumer_lost(consumer) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: consumer
        end function
        integer(c_int64_t) function mofka_consumer_voided(consumer) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: consumer
        end function
        integer(c_int64_t) function mofka_consumer_rewound(consumer) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: consumer
        end function
        integer(c_int) function mofka_consumer_seek(consumer, partition, id) bind(c)
            import :: c_int, c_int64_t, c_ptr, c_size_t
            type(c_ptr), value :: consumer
            integer(c_size_t), value :: partition
            integer(c_int64_t), value :: id
        end function
        integer(c_int) function mofka_consumer_seek_time(consumer, time_ns) bind(c)
            import :: c_int, c_int64_t, c_ptr
            type(c_ptr), value :: consumer
            integer(c_int64_t), value :: time_ns
        end function
        integer(c_int) function mofka_consumer_stats(consumer, stats) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: consumer
            type(c_ptr), intent(out) :: stats
        end function
        type(c_ptr) function mofka_event_retain(event) bind(c)
            import :: c_ptr
            type(c_ptr), value :: event
        end function
        subroutine mofka_event_release(event) bind(c)
            import :: c_ptr
            type(c_ptr), value :: event
        end subroutine
        integer(c_int64_t) function mofka_event_id(event) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: event
        end function
        logical(c_bool) function mofka_event_is_end(event) bind(c)
            import :: c_bool, c_ptr
            type(c_ptr), value :: event
        end function
        integer(c_size_t) function mofka_event_partition(event) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: event
        end function
        type(c_ptr) function mofka_event_metadata_text(event, bytes) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: event
            integer(c_size_t), intent(out) :: bytes
        end function
        integer(c_size_t) function mofka_event_selected_size(event) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: event
        end function
        integer(c_size_t) function mofka_event_data_size(event) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: event
        end function
        integer(c_int64_t) function mofka_event_lost(event) bind(c)
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: event
        end function
        integer(c_int) function mofka_event_acknowledge(event) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: event
        end function
        integer(c_int) function mofka_fortran_view(array, copy, view) bind(c)
            import :: c_bool, c_int, c_ptr
            type(*), dimension(..), intent(in) :: array
            logical(c_bool), value :: copy
            type(c_ptr), intent(out) :: view
        end function
        integer(c_int) function mofka_fortran_read(event, array) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: event
            type(*), dimension(..) :: array
        end function
        integer(c_int) function mofka_fortran_place(event, element_bytes, place, count) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: event
            integer(c_size_t), value :: element_bytes
            type(c_ptr), intent(out) :: place
            integer(c_size_t), intent(out) :: count
        end function
        type(c_ptr) function mofka_data_descriptor_retain(descriptor) bind(c)
            import :: c_ptr
            type(c_ptr), value :: descriptor
        end function
        subroutine mofka_data_descriptor_release(descriptor) bind(c)
            import :: c_ptr
            type(c_ptr), value :: descriptor
        end subroutine
        integer(c_size_t) function mofka_data_descriptor_size(descriptor) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: descriptor
        end function
        integer(c_int) function mofka_data_descriptor_sub_view_clamped(full, offset, bytes, view) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: full
            integer(c_size_t), value :: offset, bytes
            type(c_ptr), intent(out) :: view
        end function
        integer(c_int) function mofka_data_descriptor_strided_view(full, offset, count, block, gap, view) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: full
            integer(c_size_t), value :: offset, count, block, gap
            type(c_ptr), intent(out) :: view
        end function
        integer(c_int) function mofka_data_descriptor_unstructured_view(full, ranges, count, view) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: full
            integer(c_size_t), dimension(2, *), intent(in) :: ranges
            integer(c_size_t), value :: count
            type(c_ptr), intent(out) :: view
        end function
        subroutine mofka_data_view_release(view) bind(c)
            import :: c_ptr
            type(c_ptr), value :: view
        end subroutine
        type(c_ptr) function mofka_metadata_text(metadata, bytes) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: metadata
            integer(c_size_t), intent(out) :: bytes
        end function
        subroutine mofka_metadata_release(metadata) bind(c)
            import :: c_ptr
            type(c_ptr), value :: metadata
        end subroutine
        type(c_ptr) function mofka_status_name(status) bind(c)
            import :: c_int, c_ptr
            integer(c_int), value :: status
        end function
        type(c_ptr) function mofka_last_error() bind(c)
            import :: c_ptr
        end function
        integer(c_int) function mofka_fortran_fail(status, text) bind(c)
            import :: c_char, c_int
            integer(c_int), value :: status
            character(kind=c_char), dimension(*), intent(in) :: text
        end function
    end interface
end module mofka_c
