/* What `python -m benchmarks datapath` measures against, and what feeds it.

   forwarder SOCKET LOCAL REMOTE  listens on a SEQPACKET socket, answers the hello, and sends what
                                  follows the two octets of stride as VXLAN to REMOTE:4789:
                                  one recvfrom and one sendto per frame.
   mforwarder SOCKET LOCAL REMOTE does so with recvmmsg and sendmmsg, 64 frames a call.
   sender SOCKET HELLO FILE N     sends N messages, round robin from FILE (records of a 32-bit
                                  length and the octets), as fast as the socket takes them. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what) { perror(what); return 1; }

static struct sockaddr_un unix_address(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static const unsigned char header[8] = {8, 0, 0, 0, 0, 0, 1, 0};
static struct sockaddr_in remote = {.sin_family = AF_INET};
static int udp, veth;

static int open_ends(char **argv) {
    static unsigned char hello[4096];
    static const unsigned char ok[] = {0x81, 0xa2, 'o', 'k', 0xc3};
    struct sockaddr_un at = unix_address(argv[0]);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(4789)};
    int listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    remote.sin_port = local.sin_port;
    inet_pton(AF_INET, argv[1], &local.sin_addr);
    inet_pton(AF_INET, argv[2], &remote.sin_addr);
    if (bind(udp, (void *)&local, sizeof local)) return fail("bind udp");
    if (bind(listening, (void *)&at, sizeof at) || listen(listening, 1)) return fail("bind veth");
    if ((veth = accept(listening, 0, 0)) < 0) return fail("accept");
    recv(veth, hello, sizeof hello, 0);
    send(veth, ok, sizeof ok, 0);
    return 0;
}

static int forward(char **argv) {
    static unsigned char buffer[65536 + 6];
    if (open_ends(argv)) return 1;
    for (;;) {
        ssize_t size = recvfrom(veth, buffer + 6, 65536, 0, 0, 0);
        if (size <= 2) return 0;
        memcpy(buffer, header, 8);
        sendto(udp, buffer, size + 6, 0, (void *)&remote, sizeof remote);
    }
}

enum { BATCH = 64, ROOM = 2048 };

static int forward_many(char **argv) {
    static unsigned char buffers[BATCH][ROOM];
    static struct iovec in[BATCH], out[BATCH];
    static struct mmsghdr received[BATCH], sent[BATCH];
    if (open_ends(argv)) return 1;
    for (int i = 0; i < BATCH; i++) {
        in[i] = (struct iovec){buffers[i] + 6, ROOM - 6};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
        sent[i].msg_hdr = (struct msghdr){
            .msg_name = &remote, .msg_namelen = sizeof remote, .msg_iov = &out[i], .msg_iovlen = 1};
    }
    for (;;) {
        int count = recvmmsg(veth, received, BATCH, MSG_WAITFORONE, 0);
        if (count <= 0 || received[0].msg_len <= 2) return 0;
        for (int i = 0; i < count; i++) {
            memcpy(buffers[i], header, 8);
            out[i] = (struct iovec){buffers[i], received[i].msg_len + 6};
        }
        for (int done = 0, n; done < count; done += n > 0 ? n : 1)
            n = sendmmsg(udp, sent + done, count - done, 0);
    }
}

static int generate(char **argv) {
    static unsigned char hello[4096], frames[1 << 22], answer[4096];
    struct sockaddr_un to = unix_address(argv[0]);
    int veth = socket(AF_UNIX, SOCK_SEQPACKET, 0), size = 1 << 20;
    long count = atol(argv[3]);
    FILE *file = fopen(argv[1], "rb");
    size_t hello_size = fread(hello, 1, sizeof hello, file), total, at = 0;
    file = fopen(argv[2], "rb");
    total = fread(frames, 1, sizeof frames, file);
    setsockopt(veth, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(veth, (void *)&to, sizeof to)) return fail("connect");
    send(veth, hello, hello_size, 0);
    recv(veth, answer, sizeof answer, 0);
    for (long sent = 0; sent < count; sent++) {
        uint32_t length;
        memcpy(&length, frames + at, 4);
        length = ntohl(length);
        if (send(veth, frames + at + 4, length, 0) < 0) return fail("send");
        at = at + 4 + length < total ? at + 4 + length : 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "forwarder")) return forward(argv + 2);
    if (argc == 5 && !strcmp(argv[1], "mforwarder")) return forward_many(argv + 2);
    if (argc == 6 && !strcmp(argv[1], "sender")) return generate(argv + 2);
    fprintf(stderr, "usage: [m]forwarder SOCKET LOCAL REMOTE | sender SOCKET HELLO FILE N\n");
    return 2;
}
