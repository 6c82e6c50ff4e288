/* Learned weights in flash that survive a power cut at any moment (SPEC.md 5).
 *
 *   sdfa_open(&net, ...);
 *   sdfa_load(&net, &flash);            what was saved last, else the factory weights
 *   ... sdfa_learn ...
 *   sdfa_save(&net, &flash);
 *
 * A region of flash is used as two areas. Records are appended in one of them; when it is full, the other one is erased
 * and takes the next record. So the newest whole record is never erased, and each erase buys as many saves as an area
 * has room for. No state is kept in RAM: every call reads what it needs from flash.
 */
#ifndef SDFA_STORE_H
#define SDFA_STORE_H

#include "sdfa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SDFA_WRITE_LEN_MAX 256

/* A region of flash and how to use it; constant. Functions return 0 when they did what was asked. */
struct sdfa_flash {
    int (*read)(void *context, uint32_t off, void *to, uint32_t len);
    int (*program)(void *context, uint32_t off,
                   const void *from);          /* write_len bytes at a multiple of it, once per erase */
    int (*erase)(void *context, uint32_t off); /* the sector that begins at off */
    void *context;
    uint8_t *unit;       /* write_len bytes of RAM, aligned as program wants its data */
    uint32_t len;        /* bytes of the region; two areas of whole sectors are used, the rest is left alone */
    uint32_t sector_len; /* bytes that are erased at once; a multiple of write_len */
    uint32_t endurance;  /* erases that a sector lives through */
    uint32_t stall_us;   /* longest time of one erase, in which code in the same flash stands still */
    uint16_t write_len;  /* 1 .. 256 bytes that are programmed at once */
    uint8_t erased;      /* what erased bytes read as: 0xff, or 0x00 */
};

/* What the store holds. */
struct sdfa_stored {
    uint32_t sequence; /* of the newest whole record; 0: none */
    uint32_t steps;    /* learning steps that it has behind it; 0: factory weights */
    uint32_t erases;   /* of the area that was erased most often */
    uint32_t broken;   /* records that are not whole: cut off, or damaged */
    uint32_t saves_n;  /* saves in the lifetime of the flash: 2 * records of an area * endurance, at most 2^32 - 1 */
    uint32_t free_n;   /* saves before the next erase */
    uint32_t foreign;  /* 1: it holds weights of another model; nothing is saved before sdfa_format */
};

/* Appends weights, steps, generator, rate and threshold. After a cut at any point of it, sdfa_load gives these values or
 * those of the save before.
 * Errors: FROZEN, STORE_GEOMETRY, STORE_MODEL (sdfa_format first), FLASH (the older record stays; call again). */
int sdfa_save(const struct sdfa *s, const struct sdfa_flash *flash);

/* Reads the newest whole record into the trainable tail. Where there is none, the factory weights are set and the error
 * says why.
 * Errors: FROZEN, STORE_GEOMETRY, FLASH (nothing changed), STORE_EMPTY, STORE_DAMAGED, STORE_MODEL (factory weights). */
int sdfa_load(struct sdfa *s, const struct sdfa_flash *flash);

/* What the store holds, without a change to the net. Errors: FROZEN, STORE_GEOMETRY, FLASH. */
int sdfa_store_look(const struct sdfa *s, const struct sdfa_flash *flash, struct sdfa_stored *info);

/* Factory reset: sdfa_reset, and a record that says so, as safe against a cut as sdfa_save. Errors: as sdfa_save. */
int sdfa_forget(struct sdfa *s, const struct sdfa_flash *flash);

/* Erases the region, whatever it holds: before the first save of another model. Errors: STORE_GEOMETRY, FLASH. */
int sdfa_format(const struct sdfa_flash *flash);

#ifdef __cplusplus
}
#endif

#endif
