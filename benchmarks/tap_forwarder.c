/* A command in a network namespace of its own, joined to another by a TAP device and UDP.

   tap_forwarder LOCAL-PORT REMOTE-PORT ADDRESS/24 MTU COMMAND…

   Frames of the TAP go one by one to 127.0.0.1:REMOTE-PORT and back, in the manner of flannel's
   udp backend. The forwarder ends with the command, whose exit status is its own.

   tap_forwarder ping-pong ROUNDS

   Sends 64 octets to and fro over UDP on loopback; prints the microseconds of each round. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what, call) ((call) < 0 ? (perror(what), exit(1)) : (void)0)

static int udp(int local, int remote)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    a.sin_port = htons(local);
    CHECK("bind", bind(fd, (struct sockaddr *)&a, sizeof a));
    a.sin_port = htons(remote);
    CHECK("connect", connect(fd, (struct sockaddr *)&a, sizeof a));
    return fd;
}

static void set(int fd, struct ifreq *r, unsigned long what, const char *name)
{
    CHECK(name, ioctl(fd, what, r));
}

static int tap(const char *address, int mtu)
{
    int fd = open("/dev/net/tun", O_RDWR), any;
    struct ifreq r = {.ifr_name = "eth0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;
    CHECK("/dev/net/tun", fd);
    set(fd, &r, TUNSETIFF, "TUNSETIFF");
    any = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&r.ifr_ifru, 0, sizeof r.ifr_ifru);
    in->sin_family = AF_INET;
    inet_pton(AF_INET, address, &in->sin_addr);
    set(any, &r, SIOCSIFADDR, "address");
    inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
    set(any, &r, SIOCSIFNETMASK, "netmask");
    r.ifr_mtu = mtu;
    set(any, &r, SIOCSIFMTU, "mtu");
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    set(any, &r, SIOCSIFFLAGS, "up");
    close(any);
    return fd;
}

static void carry(int from, int to)
{
    static char octets[65536];
    for (int i = 0; i < 64; i++) {
        ssize_t n = read(from, octets, sizeof octets);
        if (n <= 0)
            return;
        if (write(to, octets, n) < 0 && errno != EAGAIN && errno != ECONNREFUSED && errno != EIO)
            return;
    }
}

static int forward(int device, int wire, pid_t child)
{
    struct pollfd fds[] = {{device, POLLIN, 0}, {wire, POLLIN, 0}};
    int status;
    fcntl(device, F_SETFL, O_NONBLOCK);
    fcntl(wire, F_SETFL, O_NONBLOCK);
    while (waitpid(child, &status, WNOHANG) == 0) {
        poll(fds, 2, 100);
        carry(device, wire);
        carry(wire, device);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int ping_pong(int rounds)
{
    int here = udp(39011, 39012), there = udp(39012, 39011);
    char octets[64] = {0};
    if (fork() == 0) {
        for (int i = 0; i < rounds; i++)
            if (read(there, octets, 64) != 64 || write(there, octets, 64) != 64)
                exit(1);
        exit(0);
    }
    for (int i = 0; i < rounds; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        if (write(here, octets, 64) != 64 || read(here, octets, 64) != 64)
            return 1;
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("%.1f\n", (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "ping-pong"))
        return ping_pong(atoi(argv[2]));
    if (argc < 6)
        return 2;
    int wire = udp(atoi(argv[1]), atoi(argv[2]));
    CHECK("unshare", unshare(CLONE_NEWNET));
    int device = tap(argv[3], atoi(argv[4]));
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[5], argv + 5);
        perror(argv[5]);
        exit(127);
    }
    return forward(device, wire, child);
}
