/* Pushed images (SPEC.md 5.1). */
#include "sdfa_slots.h"
#include "sdfa_internal.h"
#include "sdfa_selftest.h"

#include <string.h>

#define SLOT_MAGIC 0x31504453u /* "SDP1" */

/* Ends a slot: written last, behind all checks. */
struct end {
    uint32_t magic;
    uint32_t sequence; /* from 1 */
    uint32_t len, sum; /* bytes that were pushed, from the slot's beginning, and their CRC-32 */
    uint32_t reserved[3];
    uint32_t crc; /* of the 28 bytes before */
};
typedef char sdfa_assert_end[sizeof(struct end) == 32 ? 1 : -1];

static uint32_t end_room(const struct sdfa_flash *f) {
    return ((uint32_t)sizeof(struct end) + f->write_len - 1u) / f->write_len * f->write_len;
}
static uint32_t slot_len(const struct sdfa_flash *f) {
    return f->len / 2 / f->sector_len * f->sector_len;
}
static uint32_t room(const struct sdfa_slots *p) {
    return slot_len(p->flash) - end_room(p->flash);
}
static uint32_t off_of(const struct sdfa_slots *p, uint32_t slot) {
    return slot * slot_len(p->flash);
}
static const uint8_t *image_of(const struct sdfa_slots *p, uint32_t slot) {
    return (const uint8_t *)p->base + off_of(p, slot);
}

static int geometry_ok(const struct sdfa_flash *f) {
    return f->write_len >= 1 && f->write_len <= SDFA_WRITE_LEN_MAX && f->sector_len >= f->write_len &&
           f->sector_len % f->write_len == 0 && f->len <= 0x7fffffffu && f->len / 2 >= f->sector_len &&
           slot_len(f) > end_room(f);
}

static int whole(const struct sdfa_slots *p, uint32_t slot, uint32_t len, uint32_t sum) {
    return sdfa_crc32(0, image_of(p, slot), len) == sum;
}

/* The end of a slot; its sequence is 0 when it is not whole. Error: FLASH. */
static int read_end(const struct sdfa_slots *p, uint32_t slot, struct end *e) {
    if (p->flash->read(p->flash->context, off_of(p, slot) + room(p), e, sizeof *e))
        return SDFA_ERR_FLASH;
    if (e->magic != SLOT_MAGIC || e->crc != sdfa_crc32(0, e, sizeof *e - 4) || e->len > room(p) ||
        !whole(p, slot, e->len, e->sum))
        memset(e, 0, sizeof *e);
    return SDFA_ERR_OK;
}

static int read_ends(const struct sdfa_slots *p, struct end e[2]) {
    int error = geometry_ok(p->flash) ? read_end(p, 0, &e[0]) : SDFA_ERR_STORE_GEOMETRY;
    return error ? error : read_end(p, 1, &e[1]);
}

static int accepted(const struct sdfa_slots *p, uint32_t slot, uint32_t len) {
    return !p->verify || p->verify(p->context, image_of(p, slot), len);
}

static int open_slot(struct sdfa_slots *p, struct sdfa *s, uint32_t slot, const struct end *e) {
    int error;
    if (!accepted(p, slot, e->len))
        return SDFA_ERR_SIGNATURE;
    error = sdfa_bind(s, image_of(p, slot), e->len, p->kernels, p->arena, p->arena_len, p->tail, p->tail_len);
    if (!error)
        error = sdfa_selftest(s);
    if (!error)
        p->running = (uint8_t)(slot + 1u);
    return error;
}

int sdfa_slots_open(struct sdfa_slots *p, struct sdfa *s, const void *image, size_t image_len) {
    struct end e[2];
    p->running = 0;
    p->len = 0;
    if (!read_ends(p, e)) {
        uint32_t slot = e[1].sequence > e[0].sequence;
        for (uint32_t i = 0; i < 2 && e[slot].len; i++, slot = !slot)
            if (!open_slot(p, s, slot, &e[slot]))
                return SDFA_ERR_OK;
    }
    return sdfa_open(s, image, image_len, p->kernels, p->arena, p->arena_len, p->tail, p->tail_len);
}

int sdfa_slots_look(const struct sdfa_slots *p, struct sdfa_slots_info *info) {
    struct end e[2];
    int error = read_ends(p, e);
    if (error)
        return error;
    info->room = room(p);
    info->running = p->running;
    for (uint32_t i = 0; i < 2; i++) {
        info->sequence[i] = e[i].sequence;
        info->len[i] = e[i].len;
    }
    return SDFA_ERR_OK;
}

/* From the end on, so that what goes first is what makes the slot count. */
static int erase_slot(const struct sdfa_slots *p, uint32_t slot) {
    const struct sdfa_flash *f = p->flash;
    for (uint32_t off = slot_len(f); off; off -= f->sector_len)
        if (f->erase(f->context, off_of(p, slot) + off - f->sector_len))
            return SDFA_ERR_FLASH;
    return SDFA_ERR_OK;
}

/* Erases the slot that is not in use, for what comes next. */
static int take_slot(struct sdfa_slots *p, const struct end e[2], uint32_t crc) {
    uint32_t newer = e[0].sequence > e[1].sequence;
    p->slot = (uint8_t)(p->running ? p->running == 1 : newer);
    p->sequence = e[!newer].sequence + 1u;
    p->crc = crc;
    p->at = 0;
    p->fill = 0;
    return erase_slot(p, p->slot);
}

int sdfa_slots_begin(struct sdfa_slots *p, uint32_t len, uint32_t crc) {
    struct end e[2];
    int error = read_ends(p, e);
    p->len = 0;
    if (error)
        return error;
    if (len > room(p))
        return SDFA_ERR_SLOT;
    if (len < sizeof(struct sdfa_header))
        return SDFA_ERR_ARGUMENT;
    error = take_slot(p, e, crc);
    if (!error)
        p->len = len;
    return error;
}

/* A whole unit that ends at `to` in the slot. */
static int program(struct sdfa_slots *p, uint32_t to) {
    const struct sdfa_flash *f = p->flash;
    p->fill = 0;
    if (!f->program(f->context, off_of(p, p->slot) + to - f->write_len, f->unit))
        return SDFA_ERR_OK;
    p->len = 0;
    return SDFA_ERR_FLASH;
}

int sdfa_slots_data(struct sdfa_slots *p, uint32_t off, const uint8_t *data, uint32_t n) {
    int error = SDFA_ERR_OK;
    if (!p->len || off != p->at || n > p->len - p->at)
        return SDFA_ERR_PUSH;
    for (uint32_t i = 0; i < n && !error; i++) {
        p->flash->unit[p->fill++] = data[i];
        p->at++;
        if (p->fill == p->flash->write_len)
            error = program(p, p->at);
    }
    return error;
}

/* Fills the last unit up. */
static int flush(struct sdfa_slots *p) {
    const struct sdfa_flash *f = p->flash;
    uint32_t left = f->write_len - p->fill;
    if (!p->fill)
        return SDFA_ERR_OK;
    memset(f->unit + p->fill, f->erased, left);
    return program(p, p->at + left);
}

/* Opens and tests what was pushed, as a net that does not learn. */
static int try_out(const struct sdfa_slots *p, struct sdfa *s) {
    struct sdfa pushed;
    int error = sdfa_open(&pushed, image_of(p, p->slot), p->len, p->kernels, p->arena, p->arena_len, NULL, 0);
    if (!error && p->tail && pushed.tail_len > p->tail_len)
        error = SDFA_ERR_TAIL;
    if (!error)
        error = sdfa_selftest(&pushed);
    s->ready = 0;
    return error;
}

static int write_end(struct sdfa_slots *p, uint32_t len) {
    const struct sdfa_flash *f = p->flash;
    struct end e = {SLOT_MAGIC, p->sequence, len, p->crc, {0, 0, 0}, 0}, back;
    e.crc = sdfa_crc32(0, &e, sizeof e - 4);
    for (uint32_t off = 0, n = end_room(f); off < n; off++) {
        f->unit[off % f->write_len] = off < sizeof e ? ((const uint8_t *)&e)[off] : f->erased;
        if ((off + 1u) % f->write_len == 0 && program(p, room(p) + off + 1u))
            return SDFA_ERR_FLASH;
    }
    if (read_end(p, p->slot, &back) || back.sequence != e.sequence)
        return SDFA_ERR_FLASH;
    return SDFA_ERR_OK;
}

int sdfa_slots_end(struct sdfa_slots *p, struct sdfa *s) {
    uint32_t len = p->len;
    int error;
    if (!len || p->at != len)
        return SDFA_ERR_PUSH;
    error = flush(p);
    if (!error && !whole(p, p->slot, len, p->crc))
        error = SDFA_ERR_CRC;
    if (!error && !accepted(p, p->slot, len))
        error = SDFA_ERR_SIGNATURE;
    if (!error)
        error = try_out(p, s);
    if (!error)
        error = write_end(p, len);
    p->len = 0;
    return error;
}

/* The slot that is not in use gets an end without an image, so that the one in use stays as it is until the program has
 * opened the other one. */
int sdfa_slots_drop(struct sdfa_slots *p) {
    struct end e[2];
    int error = read_ends(p, e);
    p->len = 0;
    if (error || !p->running)
        return error;
    error = take_slot(p, e, 0); /* the CRC-32 of nothing */
    return error ? error : write_end(p, 0);
}
