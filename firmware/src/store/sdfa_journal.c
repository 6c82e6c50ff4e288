/* Areas and records of the store: how they lie in flash and how they are written (SPEC.md 5). */
#include "sdfa_journal.h"

#include <string.h>

#define AREA_MAGIC   0x31414453u /* "SDA1" */
#define RECORD_MAGIC 0x31524453u /* "SDR1" */
#define CHUNK        64u

typedef char sdfa_assert_area[sizeof(struct sdfa_area) == 32 ? 1 : -1];
typedef char sdfa_assert_record[sizeof(struct sdfa_record) == 48 ? 1 : -1];

static uint32_t round_up(uint32_t n, uint32_t unit) {
    return (n + unit - 1u) / unit * unit;
}

static uint32_t slot_off(const struct sdfa_journal *j, uint32_t area, uint32_t slot) {
    return area * j->area_len + j->first + slot * j->record_len;
}

static int read(const struct sdfa_journal *j, uint32_t off, void *to, uint32_t len) {
    return j->flash->read(j->flash->context, off, to, len) ? SDFA_ERR_FLASH : SDFA_ERR_OK;
}

/* What a stretch of flash holds: its CRC-32 and whether it is erased. */
struct scan {
    uint32_t crc;
    int blank;
};

static int scan(const struct sdfa_journal *j, uint32_t off, uint32_t len, struct scan *result) {
    result->crc = 0;
    result->blank = 1;
    for (uint32_t n; len; off += n, len -= n) {
        uint32_t chunk[CHUNK / 4];
        n = len < CHUNK ? len : CHUNK;
        if (read(j, off, chunk, n))
            return SDFA_ERR_FLASH;
        result->crc = sdfa_crc32(result->crc, chunk, n);
        for (uint32_t i = 0; i < n; i++)
            result->blank &= ((const uint8_t *)chunk)[i] == j->flash->erased;
    }
    return SDFA_ERR_OK;
}

/* --- areas --- */

static int flash_ok(const struct sdfa_flash *f) {
    return f->write_len >= 1 && f->write_len <= SDFA_WRITE_LEN_MAX && f->sector_len >= f->write_len &&
           f->sector_len % f->write_len == 0 && f->len / 2 >= f->sector_len && f->len <= 0x7fffffffu;
}

static int look_at_area(struct sdfa_journal *j, uint32_t area) {
    struct sdfa_area head;
    struct scan all;
    int error = read(j, area * j->area_len, &head, sizeof head);
    if (error)
        return error;
    if (head.magic == AREA_MAGIC && head.crc == sdfa_crc32(0, &head, sizeof head - 4)) {
        if (memcmp(head.model_id, j->model_id, sizeof head.model_id) != 0 || head.record_len != j->record_len)
            j->foreign[area] = 1;
        else
            j->erases[area] = head.erases;
        return SDFA_ERR_OK;
    }
    error = scan(j, area * j->area_len, j->first, &all);
    j->damaged[area] = !all.blank;
    return error;
}

int sdfa_journal_open(struct sdfa_journal *j, const struct sdfa_flash *flash, const struct sdfa *s) {
    int error;
    memset(j, 0, sizeof *j);
    if (!flash_ok(flash))
        return SDFA_ERR_STORE_GEOMETRY;
    j->flash = flash;
    j->model_id = ((const struct sdfa_header *)s->image)->model_id;
    j->tail_len = s->tail_len;
    j->area_len = flash->len / 2 / flash->sector_len * flash->sector_len;
    j->first = round_up(sizeof(struct sdfa_area), flash->write_len);
    j->record_len = round_up(s->tail_len + (uint32_t)sizeof(struct sdfa_record), flash->write_len);
    if (s->tail_len > j->area_len || j->first + j->record_len > j->area_len)
        return SDFA_ERR_STORE_GEOMETRY;
    j->slot_n = (j->area_len - j->first) / j->record_len;
    error = look_at_area(j, 0);
    return error ? error : look_at_area(j, 1);
}

/* --- writing: bytes are gathered into units --- */

struct writer {
    const struct sdfa_flash *flash;
    uint32_t off, fill;
};

static int put(struct writer *w, const void *data, uint32_t len) {
    const uint8_t *p = data;
    for (uint32_t i = 0; i < len; i++) {
        w->flash->unit[w->fill++] = p[i];
        if (w->fill < w->flash->write_len)
            continue;
        if (w->flash->program(w->flash->context, w->off, w->flash->unit))
            return SDFA_ERR_FLASH;
        w->off += w->fill;
        w->fill = 0;
    }
    return SDFA_ERR_OK;
}

static int pad(struct writer *w, uint32_t len) {
    int error = SDFA_ERR_OK;
    for (; len && !error; len--)
        error = put(w, &w->flash->erased, 1);
    return error;
}

static int erase_area(const struct sdfa_flash *f, uint32_t off, uint32_t len) {
    for (uint32_t end = off + len; off != end; off += f->sector_len)
        if (f->erase(f->context, off))
            return SDFA_ERR_FLASH;
    return SDFA_ERR_OK;
}

int sdfa_area_start(struct sdfa_journal *j, uint32_t area) {
    struct writer w = {j->flash, area * j->area_len, 0};
    uint32_t before = j->erases[j->erases[1] > j->erases[0]];
    struct sdfa_area head = {AREA_MAGIC, {0}, j->record_len, 0, {0, 0}, 0};
    int error = erase_area(j->flash, w.off, j->area_len);
    if (error)
        return error;
    /* an area whose count was lost takes over that of the other one */
    head.erases = (j->damaged[area] ? before : j->erases[area]) + 1u;
    memcpy(head.model_id, j->model_id, sizeof head.model_id);
    head.crc = sdfa_crc32(0, &head, sizeof head - 4);
    error = put(&w, &head, sizeof head);
    return error ? error : pad(&w, j->first - (uint32_t)sizeof head);
}

int sdfa_format(const struct sdfa_flash *flash) {
    if (!flash_ok(flash))
        return SDFA_ERR_STORE_GEOMETRY;
    return erase_area(flash, 0, flash->len / 2 / flash->sector_len * flash->sector_len * 2);
}

/* --- records --- */

int sdfa_record_state(const struct sdfa_journal *j, uint32_t area, uint32_t slot, struct sdfa_record *r) {
    uint32_t off = slot_off(j, area, slot), len = j->record_len - (uint32_t)sizeof *r;
    struct scan all, tail;
    int error = read(j, off + len, r, sizeof *r);
    if (!error && r->magic == RECORD_MAGIC && r->crc == sdfa_crc32(0, r, sizeof *r - 4)) {
        error = scan(j, off, j->tail_len, &tail);
        if (error)
            return error;
        return r->sequence && r->tail_len == j->tail_len && r->kind <= SDFA_RECORD_LEARNED && r->tail_crc == tail.crc &&
                       memcmp(r->model_id, j->model_id, sizeof r->model_id) == 0
                   ? SDFA_RECORD_WHOLE
                   : SDFA_RECORD_BROKEN;
    }
    r->sequence = 0;
    if (!error)
        error = scan(j, off, j->record_len, &all);
    if (error)
        return error;
    return all.blank ? SDFA_RECORD_BLANK : SDFA_RECORD_BROKEN;
}

void sdfa_record_of(struct sdfa_record *r, const struct sdfa *s, uint32_t kind, uint32_t sequence) {
    memset(r, 0, sizeof *r);
    r->magic = RECORD_MAGIC;
    r->sequence = sequence;
    memcpy(r->model_id, ((const struct sdfa_header *)s->image)->model_id, sizeof r->model_id);
    r->tail_len = s->tail_len;
    r->kind = kind;
    r->learned.steps = s->stats.steps;
    r->learned.random = s->random;
    r->learned.rate_q24 = s->rate_q24;
    r->learned.tau_q15 = s->tau_q15;
}

int sdfa_record_write(const struct sdfa_journal *j, uint32_t area, uint32_t slot, struct sdfa_record *r,
                      const uint8_t *tail) {
    struct writer w = {j->flash, slot_off(j, area, slot), 0};
    struct sdfa_record back;
    int error;
    r->tail_crc = sdfa_crc32(0, tail, j->tail_len);
    r->crc = sdfa_crc32(0, r, sizeof *r - 4);
    error = put(&w, tail, j->tail_len);
    if (!error)
        error = pad(&w, j->record_len - j->tail_len - (uint32_t)sizeof *r);
    if (!error)
        error = put(&w, r, sizeof *r);
    if (error)
        return error;
    return sdfa_record_state(j, area, slot, &back) == SDFA_RECORD_WHOLE && back.sequence == r->sequence
               ? SDFA_ERR_OK
               : SDFA_ERR_FLASH;
}

int sdfa_record_read(const struct sdfa_journal *j, uint32_t area, uint32_t slot, uint8_t *tail) {
    return read(j, slot_off(j, area, slot), tail, j->tail_len);
}
