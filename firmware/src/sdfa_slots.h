/* Other images than the compiled-in one: pushed into one of two slots of flash, and started only when they are whole and
 * pass the self-test (SPEC.md 5.1).
 *
 *   static struct sdfa_slots slots = {.flash = &region, .base = (const void *)0x08040000, .kernels = &sdfa_all_kernels,
 *                                     .arena = arena, .arena_len = sizeof arena, .tail = tail, .tail_len = sizeof tail};
 *   error = sdfa_slots_open(&slots, &net, digits_image, sizeof digits_image);
 *
 * A push goes to the slot that is not in use, and its last write makes it count: after a power cut at any moment the
 * device starts the old image or the new one.
 */
#ifndef SDFA_SLOTS_H
#define SDFA_SLOTS_H

#include "sdfa_store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdfa_slots {
    const struct sdfa_flash *flash; /* a region of its own; its `unit` is not the store's */
    const void *base;               /* where the region stands in memory, aligned to 4: images are run in place */
    const struct sdfa_kernels *kernels;
    void *arena, *tail; /* the net's, aligned to 4; tail NULL: nothing learns */
    uint32_t arena_len, tail_len;
    int (*verify)(void *context, const void *pushed,
                  uint32_t len); /* whether len bytes, the image and what stands behind it (a signature), are to be
                                    accepted: not 0 if so. NULL: any image that is whole and passes the self-test */
    void *context;
    /* private */
    uint32_t len, crc; /* of the push that is under way; len 0: none is */
    uint32_t at;       /* bytes of it that have come */
    uint32_t sequence; /* that it will have */
    uint16_t fill;     /* bytes in flash->unit */
    uint8_t slot;      /* that it goes to */
    uint8_t running;   /* slot in use + 1; 0: the compiled-in image */
};

/* What the slots hold. */
struct sdfa_slots_info {
    uint32_t room;        /* bytes that an image may have */
    uint32_t running;     /* 0: the compiled-in image, 1 and 2: a slot */
    uint32_t sequence[2]; /* of each slot's image, from 1; 0: none is whole */
    uint32_t len[2];      /* bytes of it; 0: none, from here on the compiled-in image runs */
};

/* Opens the newest pushed image that is whole, verified and passes the self-test; else the other one; else `image`, with
 * sdfa_open. Errors: those of sdfa_open for `image`. */
int sdfa_slots_open(struct sdfa_slots *p, struct sdfa *s, const void *image, size_t image_len);

/* Errors: STORE_GEOMETRY, FLASH. */
int sdfa_slots_look(const struct sdfa_slots *p, struct sdfa_slots_info *info);

/* Begins a push of len bytes with this CRC-32: erases the slot that is not in use.
 * Errors: STORE_GEOMETRY, SLOT (too large), ARGUMENT (too short for an image), FLASH. */
int sdfa_slots_begin(struct sdfa_slots *p, uint32_t len, uint32_t crc);

/* The next n bytes, which begin at off. Errors: PUSH (another part is due, or none), FLASH; then begin again. */
int sdfa_slots_data(struct sdfa_slots *p, uint32_t off, const uint8_t *data, uint32_t n);

/* Ends the push: reads all back, verifies it, opens it and runs its self-test in the arena of s, the net in use: its
 * weights stay, its tensors are lost. Then the slot counts, from the next sdfa_slots_open on.
 * Errors: PUSH (bytes are missing), CRC, SIGNATURE, FLASH, TAIL, those of sdfa_open and of sdfa_selftest. */
int sdfa_slots_end(struct sdfa_slots *p, struct sdfa *s);

/* Back to the compiled-in image, from the next sdfa_slots_open on: what was pushed counts no longer. After a cut the
 * pushed image runs, or the compiled-in one. Errors: STORE_GEOMETRY, FLASH. */
int sdfa_slots_drop(struct sdfa_slots *p);

#ifdef __cplusplus
}
#endif

#endif
