/* Port of the batch program to emulated boards: files by semihosting, through small buffers because each call is slow.
 */
#include <string.h>

#include "app.h"
#include "memory.h"
#include "semihost.h"
#include "start.h"

enum { BUFFER_LEN = 256 };

extern uint32_t memory_image[], memory_image_end[]; /* where the emulator loads the model */

static struct {
    int32_t requests;
    int32_t replies;
    uint32_t in_at, in_end; /* what is read and not yet taken */
    uint32_t out_len;
    uint32_t pool_at;
    uint8_t in[BUFFER_LEN];
    uint8_t out[BUFFER_LEN];
} port;

static void flush(void) {
    if (semihost_write(port.replies, port.out, port.out_len) != port.out_len)
        semihost_exit(APP_EXIT_IO);
    port.out_len = 0;
}

static void fill(void) {
    port.in_at = 0;
    port.in_end = semihost_read(port.requests, port.in, BUFFER_LEN);
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

bool app_read(void *data, uint32_t len) {
    uint8_t *to = data;

    while (len > 0) {
        uint32_t part;

        if (port.in_at == port.in_end)
            fill();
        part = smaller(len, port.in_end - port.in_at);
        if (part == 0)
            return false;
        memcpy(to, port.in + port.in_at, part);
        port.in_at += part;
        to += part;
        len -= part;
    }
    return true;
}

void app_write(const void *data, uint32_t len) {
    const uint8_t *from = data;

    while (len > 0) {
        uint32_t part = smaller(len, BUFFER_LEN - port.out_len);

        memcpy(port.out + port.out_len, from, part);
        port.out_len += part;
        from += part;
        len -= part;
        if (port.out_len == BUFFER_LEN)
            flush();
    }
}

static uint32_t distance(const uint32_t *from, const uint32_t *to) {
    return (uint32_t)((uintptr_t)to - (uintptr_t)from);
}

const void *app_image(uint32_t *len_max) {
    *len_max = distance(memory_image, memory_image_end);
    return memory_image;
}

void *app_take(uint32_t len) {
    uint32_t at = port.pool_at;

    if (len > app_pool_len() - at)
        return NULL;
    port.pool_at = smaller(at + ((len + 3) & ~3u), app_pool_len());
    return (uint8_t *)memory_pool + at;
}

void app_release(void) {
    port.pool_at = 0;
}

uint32_t app_pool_len(void) {
    return distance(memory_pool, memory_pool_end);
}

void start_end(int code) {
    semihost_exit((uint32_t)code);
}

void start_fault(void) {
    semihost_exit(APP_EXIT_FAULT);
}

int main(void) {
    static const char requests[] = "requests.bin", replies[] = "replies.bin";
    int result;

    port.requests = semihost_open(requests, sizeof requests - 1, SEMIHOST_READ);
    port.replies = semihost_open(replies, sizeof replies - 1, SEMIHOST_WRITE);
    if (port.requests < 0 || port.replies < 0)
        return APP_EXIT_IO;
    result = app_main();
    flush();
    return *memory_stack == MEMORY_PAINT ? result : APP_EXIT_STACK;
}
