#include "flash.h"

#include <string.h>

#include "board.h"
#include "semihost.h"

enum { CHUNK = 64, ERASED = 0xff, NAME_LEN = 9 };

/* A file; memory: where what it holds can be read, NULL: nowhere else. */
struct file {
    char name[NAME_LEN + 1];
    uint32_t len;
    int32_t handle;
    uint8_t *memory;
};

static struct file store = {"flash.bin", STORE_LEN, -1, NULL};

static int write_at(struct file *f, uint32_t off, const void *from, uint32_t len) {
    if (f->memory)
        memcpy(f->memory + off, from, len);
    return semihost_seek(f->handle, off) || semihost_write(f->handle, from, len) != len;
}

/* Erased bytes from off to end. */
static int blank(struct file *f, uint32_t off, uint32_t end) {
    uint8_t erased[CHUNK];
    uint32_t n;

    memset(erased, ERASED, sizeof erased);
    for (; off < end; off += n) {
        n = end - off < CHUNK ? end - off : CHUNK;
        if (write_at(f, off, erased, n))
            return 1;
    }
    return 0;
}

static void start(struct file *f) {
    int32_t len;

    f->handle = semihost_open(f->name, NAME_LEN, SEMIHOST_UPDATE);
    if (f->handle < 0)
        f->handle = semihost_open(f->name, NAME_LEN, SEMIHOST_CREATE);
    len = semihost_len(f->handle);
    if (f->memory)
        (void)semihost_read(f->handle, f->memory, f->len);
    if (len >= 0)
        (void)blank(f, (uint32_t)len, f->len);
}

static int read(void *context, uint32_t off, void *to, uint32_t len) {
    const struct file *f = context;

    return semihost_seek(f->handle, off) || semihost_read(f->handle, to, len) != len;
}

static int program(void *context, uint32_t off, const void *from) {
    return write_at(context, off, from, FLASH_WRITE_LEN);
}

static int erase(void *context, uint32_t off) {
    return blank(context, off, off + FLASH_SECTOR_LEN);
}

#define FLASH(file, memory, length)                                                                                    \
    {                                                                                                                  \
        .read = read, .program = program, .erase = erase, .context = &(file), .unit = (uint8_t *)(memory),             \
        .len = (length), .sector_len = FLASH_SECTOR_LEN, .endurance = 10000, .write_len = FLASH_WRITE_LEN,             \
        .erased = ERASED,                                                                                              \
    }

static uint32_t store_unit[FLASH_WRITE_LEN / 4];

const struct sdfa_flash flash_store = FLASH(store, store_unit, STORE_LEN);

#ifdef SLOTS_ORIGIN
static struct file slots = {"slots.bin", SLOTS_LEN, -1, (uint8_t *)SLOTS_ORIGIN};
static uint32_t slots_unit[FLASH_WRITE_LEN / 4];

const struct sdfa_flash flash_slots = FLASH(slots, slots_unit, SLOTS_LEN);
#endif

void flash_start(void) {
    start(&store);
#ifdef SLOTS_ORIGIN
    start(&slots);
#endif
}
