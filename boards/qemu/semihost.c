#include "semihost.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026 };

static uint32_t call(uint32_t number, const uintptr_t *args) {
    register uint32_t r0 __asm__("r0") = number;
    register const uintptr_t *r1 __asm__("r1") = args;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int32_t semihost_open(const char *path, uint32_t path_len, enum semihost_mode mode) {
    const uintptr_t args[3] = {(uintptr_t)path, mode, path_len};

    return (int32_t)call(SYS_OPEN, args);
}

uint32_t semihost_read(int32_t file, void *data, uint32_t len) {
    const uintptr_t args[3] = {(uintptr_t)file, (uintptr_t)data, len};

    return len - call(SYS_READ, args); /* the call returns what is missing */
}

uint32_t semihost_write(int32_t file, const void *data, uint32_t len) {
    const uintptr_t args[3] = {(uintptr_t)file, (uintptr_t)data, len};

    return len - call(SYS_WRITE, args);
}

void semihost_exit(uint32_t code) {
    const uintptr_t args[2] = {APPLICATION_EXIT, code};

    call(SYS_EXIT_EXTENDED, args);
    for (;;) {
    }
}
