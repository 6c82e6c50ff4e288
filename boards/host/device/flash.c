#define _DEFAULT_SOURCE /* MAP_FIXED */

#include "flash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SECTOR_LEN = 4096, WRITE_LEN = 8, ERASED = 0xff, PAGE_MAX = 65536 };

/* The files stand here while the program runs. */
static uint8_t store_memory[STORE_LEN] __attribute__((aligned(PAGE_MAX)));
uint8_t flash_slots_memory[SLOTS_LEN] __attribute__((aligned(PAGE_MAX)));

static void fail(const char *path) {
    perror(path);
    exit(1);
}

static void map(const char *variable, const char *path, uint8_t *memory, uint32_t len) {
    int file;
    off_t old;

    path = getenv(variable) ? getenv(variable) : path;
    file = open(path, O_RDWR | O_CREAT, 0666);
    old = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (old < 0 || (old < (off_t)len && ftruncate(file, (off_t)len)))
        fail(path);
    if (mmap(memory, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
        fail(path);
    if (old < (off_t)len)
        memset(memory + old, ERASED, len - (size_t)old);
    close(file);
}

void flash_start(void) {
    map("SDFA_FLASH", "flash.bin", store_memory, STORE_LEN);
    map("SDFA_FLASH_SLOTS", "slots.bin", flash_slots_memory, SLOTS_LEN);
}

static int read_memory(void *context, uint32_t off, void *to, uint32_t len) {
    memcpy(to, (const uint8_t *)context + off, len);
    return 0;
}

static int program(void *context, uint32_t off, const void *from) {
    memcpy((uint8_t *)context + off, from, WRITE_LEN);
    return 0;
}

static int erase(void *context, uint32_t off) {
    memset((uint8_t *)context + off, ERASED, SECTOR_LEN);
    return 0;
}

static uint8_t units[2][WRITE_LEN];

#define FLASH(memory, of_program, length)                                                                              \
    {                                                                                                                  \
        .read = read_memory, .program = program, .erase = erase, .context = (memory), .unit = (of_program),            \
        .len = (length), .sector_len = SECTOR_LEN, .endurance = 10000, .write_len = WRITE_LEN, .erased = ERASED,       \
    }

const struct sdfa_flash flash_store = FLASH(store_memory, units[0], STORE_LEN);
const struct sdfa_flash flash_slots = FLASH(flash_slots_memory, units[1], SLOTS_LEN);
