#include "flash.h"

#include <string.h>

#include "board.h"
#include "family.h"

/* sector: number of its first one. */
struct region {
    uint32_t origin, sector;
};

/* Waits until the controller is done; not for ever: code that stands still in flash makes few turns. */
static int wait(void) {
    uint32_t left = 1u << 24;

    while (FAMILY_FLASH->SR & FLASH_BUSY)
        if (--left == 0)
            return 1;
    return (FAMILY_FLASH->SR & FLASH_ERRORS) != 0;
}

/* An older error is forgotten. That the mode stands there tells that the controller is unlocked, and that there is one: an
 * emulator may have none. */
static int begin(uint32_t mode) {
    (void)wait();
    FAMILY_FLASH->SR = FLASH_ERRORS | FLASH_DONE;
    if (FAMILY_FLASH->CR & FLASH_LOCK) {
        FAMILY_FLASH->KEYR = 0x45670123u;
        FAMILY_FLASH->KEYR = 0xcdef89abu;
    }
    FAMILY_FLASH->CR = mode;
    return (FAMILY_FLASH->CR & mode) != mode;
}

static int end(int error) {
    error |= wait();
    FAMILY_FLASH->CR = FLASH_LOCK;
    family_forget_cache();
    return error;
}

static int read(void *context, uint32_t off, void *to, uint32_t len) {
    const struct region *r = context;

    memcpy(to, (const uint8_t *)(uintptr_t)r->origin + off, len);
    return 0;
}

static int program(void *context, uint32_t off, const void *from) {
    const struct region *r = context;
    flash_unit unit;
    int error = begin(FLASH_PROGRAM);

    memcpy(&unit, from, sizeof unit);
    if (!error)
        *(volatile flash_unit *)(uintptr_t)(r->origin + off) = unit;
    return end(error);
}

static int erase(void *context, uint32_t off) {
    const struct region *r = context;
    uint32_t mode = FLASH_ERASE;
    int error = begin(mode);

    if (!error) {
        mode |= family_sector(r->origin, r->sector, off, FLASH_SECTOR_LEN);
        FAMILY_FLASH->CR = mode;
        FAMILY_FLASH->CR = mode | FLASH_START;
    }
    return end(error);
}

#define FLASH(region, memory, length)                                                                                  \
    {                                                                                                                  \
        .read = read, .program = program, .erase = erase, .context = (void *)&(region), .unit = (uint8_t *)&(memory),  \
        .len = (length), .sector_len = FLASH_SECTOR_LEN, .endurance = FLASH_ENDURANCE, .stall_us = FLASH_STALL_US,     \
        .write_len = sizeof(flash_unit), .erased = 0xff,                                                               \
    }

static const struct region store = {STORE_ORIGIN, STORE_SECTOR};
static flash_unit store_unit;

const struct sdfa_flash flash_store = FLASH(store, store_unit, STORE_LEN);

#ifdef SLOTS_ORIGIN
static const struct region slots = {SLOTS_ORIGIN, SLOTS_SECTOR};
static flash_unit slots_unit;

const struct sdfa_flash flash_slots = FLASH(slots, slots_unit, SLOTS_LEN);
#endif
