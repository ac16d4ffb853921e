/* What a minimal forwarder costs: one recvfrom and one sendto per frame, nothing looked at.

   forwarder SOCKET LOCAL REMOTE  listens on a SEQPACKET socket, answers the hello, and sends what
                                  follows the two octets of stride as VXLAN to REMOTE:4789.
   sender SOCKET HELLO FRAMES N   sends N single-frame messages, round robin from FRAMES (records
                                  of u16 length + octets), as fast as the socket takes them. */
#include <arpa/inet.h>
#include <errno.h>
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

static int forward(char **argv) {
    static unsigned char buffer[65536 + 6];
    static const unsigned char header[8] = {8, 0, 0, 0, 0, 0, 1, 0}, ok[] = {0x81, 0xa2, 'o', 'k', 0xc3};
    struct sockaddr_un at = unix_address(argv[0]);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(4789)}, remote = local;
    int listening = socket(AF_UNIX, SOCK_SEQPACKET, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), veth;
    inet_pton(AF_INET, argv[1], &local.sin_addr);
    inet_pton(AF_INET, argv[2], &remote.sin_addr);
    if (bind(udp, (void *)&local, sizeof local)) return fail("bind udp");
    if (bind(listening, (void *)&at, sizeof at) || listen(listening, 1)) return fail("bind veth");
    if ((veth = accept(listening, 0, 0)) < 0) return fail("accept");
    recv(veth, buffer, sizeof buffer, 0);
    send(veth, ok, sizeof ok, 0);
    for (;;) {
        ssize_t size = recvfrom(veth, buffer + 6, 65536, 0, 0, 0);
        if (size <= 2) return 0;
        memcpy(buffer, header, 8);
        sendto(udp, buffer, size + 6, 0, (void *)&remote, sizeof remote);
    }
}

static int generate(char **argv) {
    static unsigned char hello[4096], frames[1 << 20], answer[4096];
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
        size_t length = frames[at] << 8 | frames[at + 1];
        if (send(veth, frames + at, length + 2, 0) < 0) return fail("send");
        at = at + length + 2 < total ? at + length + 2 : 0;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "forwarder")) return forward(argv + 2);
    if (argc == 6 && !strcmp(argv[1], "sender")) return generate(argv + 2);
    fprintf(stderr, "usage: forwarder SOCKET LOCAL REMOTE | sender SOCKET HELLO FRAMES N\n");
    return 2;
}
