#include "flash.h"

#include <string.h>

#include "board.h"
#include "semihost.h"

enum { CHUNK = 64 };

static int32_t file;
static uint32_t unit[STORE_WRITE_LEN / 4]; /* aligned */

/* Writes a number of erased bytes at the file's present place. */
static int erase_here(uint32_t len) {
    uint8_t erased[CHUNK];

    memset(erased, 0xff, sizeof erased);
    for (uint32_t n; len; len -= n) {
        n = len < CHUNK ? len : CHUNK;
        if (semihost_write(file, erased, n) != n)
            return 1;
    }
    return 0;
}

void flash_start(void) {
    static const char name[] = "flash.bin";
    int32_t len;

    file = semihost_open(name, sizeof name - 1, SEMIHOST_UPDATE);
    if (file < 0)
        file = semihost_open(name, sizeof name - 1, SEMIHOST_CREATE);
    len = semihost_len(file);
    if (len >= 0 && (uint32_t)len < STORE_LEN && !semihost_seek(file, (uint32_t)len))
        (void)erase_here(STORE_LEN - (uint32_t)len);
}

static int read(void *context, uint32_t off, void *to, uint32_t len) {
    (void)context;
    return semihost_seek(file, off) || semihost_read(file, to, len) != len;
}

static int program(void *context, uint32_t off, const void *from) {
    (void)context;
    return semihost_seek(file, off) || semihost_write(file, from, STORE_WRITE_LEN) != STORE_WRITE_LEN;
}

static int erase(void *context, uint32_t off) {
    (void)context;
    return semihost_seek(file, off) || erase_here(STORE_SECTOR_LEN);
}

const struct sdfa_flash flash_store = {
    .read = read,
    .program = program,
    .erase = erase,
    .unit = (uint8_t *)unit,
    .len = STORE_LEN,
    .sector_len = STORE_SECTOR_LEN,
    .endurance = 10000,
    .write_len = STORE_WRITE_LEN,
    .erased = 0xff,
};
