/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cable between two network interfaces, which are then joined by nothing else: frames that arrive
 * at one leave from the other. It takes time, loses frames, and carries so many bits a second.
 * The kernel's netem does the same, where a kernel has it.
 *
 *   cable INTERFACE INTERFACE DELAY_US LOSS_PPM MBIT
 *
 * DELAY_US is each way. LOSS_PPM is of frames, by a random sequence that is the same in every run.
 * MBIT is each way; 0: no limit.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

/* The longest frame, with the header that says how to finish its checksum (virtio_net_hdr). */
#define FRAME_BYTES ((size_t)66000)
/* Frames on their way in one direction. Later ones are lost, as in a full switch. */
#define FRAMES 4096
#define BYTES_MAX ((size_t)32 << 20)
/* With a limited rate, frames wait at most that long for the frames before them. */
#define QUEUE_NS 20000000
/* Frames that are received before time is looked at again. */
#define BURST 32

typedef struct frame {
    int64_t due_ns;
    size_t bytes;
    unsigned char *data;
} frame_t;

typedef struct way {
    int from, to;
    frame_t frames[FRAMES];
    unsigned head, tail; /* modulo FRAMES: the oldest frame, and behind the youngest */
    size_t bytes;        /* of all frames */
    int64_t free_ns;     /* when the last frame has left the card */
} way_t;

typedef struct cable {
    way_t ways[2];
    int64_t delay_ns;
    int loss_ppm;
    double ns_per_byte;
    unsigned seed;
} cable_t;

static _Noreturn void cable_fail(const char *what) {
    fprintf(stderr, "cable: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t cable_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int cable_plug(const char *interface) {
    int plug = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), one = 1,
        bytes = (int)BYTES_MAX;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    struct packet_mreq all = {.mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    if (plug < 0 || address.sll_ifindex == 0 ||
        setsockopt(plug, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) ||
        setsockopt(plug, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) ||
        setsockopt(plug, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) ||
        setsockopt(plug, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) ||
        bind(plug, (struct sockaddr *)&address, sizeof address) ||
        setsockopt(plug, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all))
        cable_fail(interface);
    return plug;
}

/* When a frame that arrived now has crossed the cable. Negative: it is lost. */
static int64_t cable_due(cable_t *cable, way_t *way, size_t bytes, int64_t now_ns) {
    if (cable->loss_ppm > 0 && rand_r(&cable->seed) % 1000000 < cable->loss_ppm)
        return -1;
    if (way->tail - way->head == FRAMES || way->bytes + bytes > BYTES_MAX)
        return -1;
    int64_t start_ns = way->free_ns > now_ns ? way->free_ns : now_ns;
    if (start_ns - now_ns > QUEUE_NS)
        return -1;
    way->free_ns = start_ns + (int64_t)((double)bytes * cable->ns_per_byte);
    return way->free_ns + cable->delay_ns;
}

static void cable_receive(cable_t *cable, way_t *way, int64_t now_ns) {
    static unsigned char data[FRAME_BYTES];
    for (int i = 0; i < BURST; i++) {
        ssize_t bytes = recv(way->from, data, sizeof data, 0);
        if (bytes <= 0)
            return;
        int64_t due_ns = cable_due(cable, way, (size_t)bytes, now_ns);
        frame_t frame = {due_ns, (size_t)bytes, due_ns < 0 ? NULL : malloc((size_t)bytes)};
        if (!frame.data)
            continue;
        memcpy(frame.data, data, frame.bytes);
        assert(way->tail - way->head < FRAMES);
        way->frames[way->tail++ % FRAMES] = frame;
        way->bytes += frame.bytes;
    }
}

/* Send what is due. Returns when the next frame is, or INT64_MAX. */
static int64_t cable_send(way_t *way, int64_t now_ns) {
    for (; way->head != way->tail; way->head++) {
        frame_t *frame = &way->frames[way->head % FRAMES];
        if (frame->due_ns > now_ns)
            return frame->due_ns;
        (void)!send(way->to, frame->data, frame->bytes, 0); /* a full or unplugged card loses it */
        assert(way->bytes >= frame->bytes);
        way->bytes -= frame->bytes;
        free(frame->data);
    }
    return INT64_MAX;
}

static void cable_run(cable_t *cable) {
    struct pollfd plugs[2] = {{cable->ways[0].from, POLLIN, 0}, {cable->ways[1].from, POLLIN, 0}};
    int64_t next_ns = INT64_MAX;
    for (;;) {
        int64_t wait_ns = next_ns == INT64_MAX ? 1000000000 : next_ns - cable_now_ns();
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        if (wait_ns > 0 && ppoll(plugs, 2, &wait, NULL) < 0)
            cable_fail("ppoll");
        next_ns = INT64_MAX;
        for (int i = 0; i < 2; i++) {
            cable_receive(cable, &cable->ways[i], cable_now_ns());
            int64_t way_ns = cable_send(&cable->ways[i], cable_now_ns());
            next_ns = way_ns < next_ns ? way_ns : next_ns;
        }
    }
}

int main(int argc, char **argv) {
    static cable_t cable = {.seed = 1};
    if (argc != 6) {
        fprintf(stderr, "cable INTERFACE INTERFACE DELAY_US LOSS_PPM MBIT\n");
        return 2;
    }
    double mbit = atof(argv[5]);
    cable.delay_ns = atoll(argv[3]) * 1000;
    cable.loss_ppm = atoi(argv[4]);
    cable.ns_per_byte = mbit > 0 ? 8000 / mbit : 0;
    for (int i = 0; i < 2; i++)
        cable.ways[i].from = cable.ways[!i].to = cable_plug(argv[1 + i]);
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    printf("plugged in\n");
    fflush(stdout);
    cable_run(&cable);
}
