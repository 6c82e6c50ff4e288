#include "flash_sim.h"

#include <string.h>

uint32_t sim_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One byte on its way to a value when the power fails: programming only ever moves bits away from the erased value. */
static uint8_t torn_byte(struct flash_sim *f, uint8_t old, uint8_t wanted, int first_half) {
    uint8_t mask;
    switch (f->torn) {
    case TORN_DONE:
        return wanted;
    case TORN_HALF:
        return first_half ? wanted : old;
    case TORN_BITS:
        mask = (uint8_t)sim_random(&f->random);
        return (uint8_t)((old & ~mask) | (wanted & mask));
    default:
        return old;
    }
}

static void change(struct flash_sim *f, uint32_t off, const uint8_t *from, uint32_t len, int cut) {
    for (uint32_t i = 0; i < len; i++) {
        uint8_t wanted = from ? from[i] : f->flash.erased, old = f->bytes[off + i];
        uint8_t now = cut ? torn_byte(f, old, wanted, i < len / 2) : wanted;
        f->bytes[off + i] = now;
        if (from)
            f->used[off + i] |= !cut || now != old;
        else if (!cut || f->torn == TORN_DONE)
            f->used[off + i] = 0;
        else
            f->used[off + i] = now != f->flash.erased;
    }
}

/* Counts an operation; whether the power fails in it. */
static int cut_now(struct flash_sim *f) {
    f->ops++;
    f->off = f->cut && f->ops == f->cut;
    return f->off;
}

static int sim_read(void *context, uint32_t off, void *to, uint32_t len) {
    struct flash_sim *f = context;
    if (f->off)
        return 1;
    CHECK(off <= f->flash.len && len <= f->flash.len - off);
    memcpy(to, f->bytes + off, len);
    return 0;
}

static int sim_program(void *context, uint32_t off, const void *from) {
    struct flash_sim *f = context;
    uint32_t len = f->flash.write_len;
    if (f->off)
        return 1;
    CHECK(off % len == 0 && off <= f->flash.len && len <= f->flash.len - off);
    for (uint32_t i = 0; i < len; i++)
        CHECK(!f->used[off + i]);
    change(f, off, from, len, cut_now(f));
    return f->off;
}

static int sim_erase(void *context, uint32_t off) {
    struct flash_sim *f = context;
    uint32_t len = f->flash.sector_len;
    if (f->off)
        return 1;
    CHECK(off % len == 0 && off <= f->flash.len && len <= f->flash.len - off);
    f->wear[off / len]++;
    CHECK(f->wear[off / len] <= f->flash.endurance);
    change(f, off, NULL, len, cut_now(f));
    return f->off;
}

struct flash_sim *sim_new(uint32_t len, uint32_t sector_len, uint32_t write_len, uint8_t erased, uint32_t endurance) {
    struct flash_sim *f = block(sizeof *f);
    memset(f, 0, sizeof *f);
    f->bytes = block(len);
    f->used = block(len);
    f->wear = block(len / sector_len * sizeof *f->wear);
    memset(f->bytes, erased, len);
    memset(f->used, 0, len);
    memset(f->wear, 0, len / sector_len * sizeof *f->wear);
    f->flash.read = sim_read;
    f->flash.program = sim_program;
    f->flash.erase = sim_erase;
    f->flash.context = f;
    f->flash.unit = block(write_len);
    f->flash.len = len;
    f->flash.sector_len = sector_len;
    f->flash.endurance = endurance;
    f->flash.write_len = (uint16_t)write_len;
    f->flash.erased = erased;
    f->random = 1;
    return f;
}

void sim_free(struct flash_sim *f) {
    free(f->bytes);
    free(f->used);
    free(f->wear);
    free(f->flash.unit);
    free(f);
}

void sim_power_on(struct flash_sim *f, uint32_t cut, enum torn torn) {
    f->off = 0;
    f->cut = cut ? f->ops + cut : 0;
    f->torn = torn;
}
