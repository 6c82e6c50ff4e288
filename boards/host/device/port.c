/* Device port of this computer (POSIX).
 *
 * The link is on stdin and stdout, and the program ends with stdin; with SDFA_LISTEN=PORT in the environment it is on
 * TCP port PORT of 127.0.0.1, one connection after the other. Flash: see flash.h. */
#define _POSIX_C_SOURCE 200809L

#include "sdfa_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flash.h"

const struct sdfa_port sdfa_port = {"host", &flash_store, &flash_slots, flash_slots_memory};

static struct {
    int listening, in, out; /* file descriptors; in < 0: nobody is connected */
    uint8_t bytes[4096];
    ssize_t at, end;
} line = {-1, 0, 1, {0}, 0, 0};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint16_t port_number(const char *text) {
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || port < 1 || port > 65535) {
        fprintf(stderr, "SDFA_LISTEN=%s: give the number of a TCP port, 1 to 65535\n", text);
        exit(1);
    }
    return (uint16_t)port;
}

void sdfa_port_start(void) {
    const char *number = getenv("SDFA_LISTEN");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    signal(SIGPIPE, SIG_IGN);
    flash_start();
    if (!number)
        return;
    line.in = line.out = -1;
    address.sin_port = htons(port_number(number));
    line.listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(line.listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(line.listening, (struct sockaddr *)&address, sizeof address) || listen(line.listening, 1))
        fail("SDFA_LISTEN");
}

static int ready(int file) {
    struct pollfd wanted = {file, POLLIN, 0};

    return poll(&wanted, 1, 1) > 0;
}

static void hang_up(void) {
    if (line.listening < 0)
        exit(0);
    close(line.in);
    line.in = line.out = -1;
}

int sdfa_port_get(void) {
    if (line.at < line.end)
        return line.bytes[line.at++];
    if (line.in < 0 && ready(line.listening)) {
        int on = 1;

        line.in = line.out = accept(line.listening, NULL, NULL);
        /* a reply that follows another one is not to wait until that has been acknowledged */
        setsockopt(line.in, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (line.in < 0 || !ready(line.in))
        return -1;
    line.at = 0;
    line.end = read(line.in, line.bytes, sizeof line.bytes);
    if (line.end <= 0)
        hang_up();
    return line.end > 0 ? line.bytes[line.at++] : -1;
}

void sdfa_port_put(const uint8_t *bytes, uint32_t n) {
    while (n && line.out >= 0) {
        ssize_t done = write(line.out, bytes, n);

        if (done <= 0)
            return; /* it hangs up: seen when reading */
        bytes += done;
        n -= (uint32_t)done;
    }
}

uint32_t sdfa_port_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

void sdfa_port_reset(void) {
    exit(3);
}
