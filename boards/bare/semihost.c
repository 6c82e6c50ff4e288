#include "semihost.h"

#include "cpu.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_SEEK = 0x0a, SYS_FLEN = 0x0c, SYS_EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026 };

int32_t semihost_open(const char *path, uint32_t path_len, enum semihost_mode mode) {
    const uintptr_t args[3] = {(uintptr_t)path, mode, path_len};

    return (int32_t)cpu_semihost(SYS_OPEN, args);
}

uint32_t semihost_read(int32_t file, void *data, uint32_t len) {
    const uintptr_t args[3] = {(uintptr_t)file, (uintptr_t)data, len};

    return len - cpu_semihost(SYS_READ, args); /* the call returns what is missing */
}

uint32_t semihost_write(int32_t file, const void *data, uint32_t len) {
    const uintptr_t args[3] = {(uintptr_t)file, (uintptr_t)data, len};

    return len - cpu_semihost(SYS_WRITE, args);
}

int32_t semihost_seek(int32_t file, uint32_t off) {
    const uintptr_t args[2] = {(uintptr_t)file, off};

    return (int32_t)cpu_semihost(SYS_SEEK, args);
}

int32_t semihost_len(int32_t file) {
    const uintptr_t args[1] = {(uintptr_t)file};

    return (int32_t)cpu_semihost(SYS_FLEN, args);
}

void semihost_exit(uint32_t code) {
    const uintptr_t args[2] = {APPLICATION_EXIT, code};

    cpu_semihost(SYS_EXIT_EXTENDED, args);
    for (;;) {
    }
}
