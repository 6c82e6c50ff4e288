#define _POSIX_C_SOURCE 200809L

#include "flash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { LEN = 256 * 1024, SECTOR_LEN = 4096, WRITE_LEN = 8 };

static int file;
static uint8_t unit[WRITE_LEN];

/* Erased bytes from off to end. */
static int blank(uint32_t off, uint32_t end) {
    uint8_t erased[SECTOR_LEN];

    memset(erased, 0xff, sizeof erased);
    for (uint32_t n; off < end; off += n) {
        n = end - off < SECTOR_LEN ? end - off : SECTOR_LEN;
        if (pwrite(file, erased, n, (off_t)off) != (ssize_t)n)
            return 1;
    }
    return 0;
}

void flash_start(void) {
    const char *path = getenv("SDFA_FLASH");
    off_t len;

    path = path ? path : "flash.bin";
    file = open(path, O_RDWR | O_CREAT, 0666);
    len = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (len < 0 || blank((uint32_t)len, LEN)) {
        perror(path);
        exit(1);
    }
}

static int read_at(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    return pread(file, to, len, (off_t)off) != (ssize_t)len;
}

static int program(void *context, uint32_t off, const void *from) {
    (void)context;
    return pwrite(file, from, WRITE_LEN, (off_t)off) != WRITE_LEN;
}

static int erase(void *context, uint32_t off) {
    (void)context;
    return blank(off, off + SECTOR_LEN);
}

const struct sdfa_flash flash_store = {
    .read = read_at,
    .program = program,
    .erase = erase,
    .unit = unit,
    .len = LEN,
    .sector_len = SECTOR_LEN,
    .endurance = 10000,
    .write_len = WRITE_LEN,
    .erased = 0xff,
};
