/* The store (SPEC.md 5): which record counts, and where the next one goes. How records are written: sdfa_journal.c. */
#include "sdfa_journal.h"

#include <string.h>

/* Where a record stands. */
struct place {
    uint32_t area, slot;
};

/* The newest whole record, and what was met on the way. */
struct found {
    struct place place;
    struct sdfa_record record; /* sequence 0: none is whole */
    uint32_t last;             /* largest sequence of any record whose own CRC holds */
    uint32_t broken, used;     /* slots that are not blank; of them not whole */
};

/* Every slot once. A record counts only when its weights are whole, so a younger one that is damaged does not hide an
 * older one. */
static int find_newest(const struct sdfa_journal *j, struct found *f) {
    memset(f, 0, sizeof *f);
    for (uint32_t i = 0; i < 2 * j->slot_n; i++) {
        struct place at = {i / j->slot_n, i % j->slot_n};
        struct sdfa_record r;
        int state = j->foreign[at.area] ? SDFA_RECORD_BLANK : sdfa_record_state(j, at.area, at.slot, &r);
        if (state < 0)
            return state;
        f->used += state != SDFA_RECORD_BLANK;
        f->broken += state == SDFA_RECORD_BROKEN;
        if (state == SDFA_RECORD_WHOLE && r.sequence > f->record.sequence) {
            f->record = r;
            f->place = at;
        }
        if (state != SDFA_RECORD_BLANK && r.sequence > f->last)
            f->last = r.sequence;
    }
    return SDFA_ERR_OK;
}

/* The first blank slot behind the newest record; slot_n: none. */
static int free_slot(const struct sdfa_journal *j, const struct found *f, uint32_t *slot) {
    *slot = f->record.sequence ? f->place.slot + 1 : j->slot_n;
    for (; *slot < j->slot_n; ++*slot) {
        struct sdfa_record r;
        int state = sdfa_record_state(j, f->place.area, *slot, &r);
        if (state <= SDFA_RECORD_BLANK)
            return state < 0 ? state : SDFA_ERR_OK;
    }
    return SDFA_ERR_OK;
}

/* All that a call needs to know before it does anything. */
static int look(struct sdfa_journal *j, struct found *f, uint32_t *slot, const struct sdfa *s,
                const struct sdfa_flash *flash) {
    int error = s->tail_ram ? sdfa_journal_open(j, flash, s) : SDFA_ERR_FROZEN;
    if (!error)
        error = find_newest(j, f);
    return error ? error : free_slot(j, f, slot);
}

static int append(const struct sdfa *s, const struct sdfa_flash *flash, uint32_t kind) {
    struct sdfa_journal j;
    struct found f;
    struct sdfa_record r;
    uint32_t area, slot;
    int error = look(&j, &f, &slot, s, flash);
    if (!error && (j.foreign[0] || j.foreign[1]))
        error = SDFA_ERR_STORE_MODEL;
    if (error)
        return error;
    area = f.place.area;
    if (slot == j.slot_n) { /* full, or nothing is whole: start the area that does not hold the newest record */
        area = f.record.sequence ? !area : 0;
        slot = 0;
        error = sdfa_area_start(&j, area);
    }
    if (error)
        return error;
    sdfa_record_of(&r, s, kind, f.last + 1u);
    return sdfa_record_write(&j, area, slot, &r, s->tail_ram);
}

int sdfa_save(const struct sdfa *s, const struct sdfa_flash *flash) {
    return append(s, flash, SDFA_RECORD_LEARNED);
}

int sdfa_forget(struct sdfa *s, const struct sdfa_flash *flash) {
    int error = append(s, flash, SDFA_RECORD_FACTORY);
    return error ? error : sdfa_reset(s);
}

int sdfa_store_look(const struct sdfa *s, const struct sdfa_flash *flash, struct sdfa_stored *info) {
    struct sdfa_journal j;
    struct found f;
    uint32_t slot;
    uint64_t saves;
    int error = look(&j, &f, &slot, s, flash);
    if (error)
        return error;
    saves = (uint64_t)2 * j.slot_n * flash->endurance;
    info->sequence = f.record.sequence;
    info->steps = f.record.kind == SDFA_RECORD_FACTORY ? 0 : f.record.learned.steps;
    info->erases = j.erases[j.erases[1] > j.erases[0]];
    info->broken = f.broken;
    info->saves_n = saves > UINT32_MAX ? UINT32_MAX : (uint32_t)saves;
    info->free_n = j.slot_n - slot;
    info->foreign = j.foreign[0] || j.foreign[1];
    return SDFA_ERR_OK;
}

/* The record's values into the net. A rate that this program refuses leaves the image's own in force. */
static int adopt(struct sdfa *s, const struct sdfa_journal *j, const struct found *f) {
    const struct sdfa_learned *learned = &f->record.learned;
    int error;
    if (f->record.kind == SDFA_RECORD_FACTORY)
        return sdfa_reset(s);
    error = sdfa_record_read(j, f->place.area, f->place.slot, s->tail_ram);
    sdfa_tail_changed(s); /* perhaps in part */
    if (error)
        return error;
    (void)sdfa_set_rate(s, learned->rate_q24);
    (void)sdfa_set_threshold(s, learned->tau_q15);
    s->random = learned->random;
    s->stats.steps = learned->steps;
    return SDFA_ERR_OK;
}

int sdfa_load(struct sdfa *s, const struct sdfa_flash *flash) {
    struct sdfa_journal j;
    struct found f;
    uint32_t slot;
    int error = look(&j, &f, &slot, s, flash);
    if (error)
        return error;
    if (f.record.sequence)
        return adopt(s, &j, &f);
    (void)sdfa_reset(s);
    if (j.foreign[0] || j.foreign[1])
        return SDFA_ERR_STORE_MODEL;
    return f.used || j.damaged[0] || j.damaged[1] ? SDFA_ERR_STORE_DAMAGED : SDFA_ERR_STORE_EMPTY;
}
