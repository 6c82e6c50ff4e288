/* Areas and records of the store (SPEC.md 5). Not for users. */
#ifndef SDFA_JOURNAL_H
#define SDFA_JOURNAL_H

#include "sdfa_internal.h"
#include "sdfa_store.h"

/* Begins an area: written behind its erase, so it also says that the erase was finished. */
struct sdfa_area {
    uint32_t magic;
    uint8_t model_id[8];
    uint32_t record_len; /* bytes from one record to the next */
    uint32_t erases;     /* of this area, this one included: at least 1 */
    uint32_t reserved[2];
    uint32_t crc; /* of the 28 bytes before */
};

/* Ends a record, behind its weights: what is written last makes it count. */
struct sdfa_record {
    uint32_t magic;
    uint32_t sequence; /* from 1 */
    uint8_t model_id[8];
    uint32_t tail_len;
    uint32_t kind;
    struct sdfa_learned learned;
    uint32_t tail_crc;
    uint32_t crc; /* of the 44 bytes before */
};

enum sdfa_record_kind { SDFA_RECORD_FACTORY = 0, SDFA_RECORD_LEARNED = 1 };
enum sdfa_record_state { SDFA_RECORD_BLANK = 0, SDFA_RECORD_BROKEN, SDFA_RECORD_WHOLE };

/* A region as one call sees it. */
struct sdfa_journal {
    const struct sdfa_flash *flash;
    const uint8_t *model_id;
    uint32_t tail_len;
    uint32_t area_len, first, record_len, slot_n; /* bytes of an area, of its head, of a record; records of an area */
    uint32_t erases[2];                           /* 0: not known */
    uint8_t foreign[2];                           /* the area holds another model's records */
    uint8_t damaged[2];                           /* the area begins with neither a head nor blank flash */
};

/* Errors: STORE_GEOMETRY, FLASH. */
int sdfa_journal_open(struct sdfa_journal *j, const struct sdfa_flash *flash, const struct sdfa *s);

/* Erases an area and begins it. Error: FLASH. */
int sdfa_area_start(struct sdfa_journal *j, uint32_t area);

/* enum sdfa_record_state, and the record when it is whole; or FLASH. */
int sdfa_record_state(const struct sdfa_journal *j, uint32_t area, uint32_t slot, struct sdfa_record *r);

/* A record of the net's present state, without its sums. */
void sdfa_record_of(struct sdfa_record *r, const struct sdfa *s, uint32_t kind, uint32_t sequence);

/* Writes weights and record into a blank slot and reads them back. Error: FLASH. */
int sdfa_record_write(const struct sdfa_journal *j, uint32_t area, uint32_t slot, struct sdfa_record *r,
                      const uint8_t *tail);

/* Weights of a whole record. Error: FLASH. */
int sdfa_record_read(const struct sdfa_journal *j, uint32_t area, uint32_t slot, uint8_t *tail);

#endif
