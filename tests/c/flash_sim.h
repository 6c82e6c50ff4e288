/* A region of flash whose power fails at a chosen operation. */
#ifndef FLASH_SIM_H
#define FLASH_SIM_H

#include "api_net.h"
#include "sdfa_store.h"

/* What the operation in which the power fails has done: nothing, all, the first half of its bytes, some of its bits. */
enum torn { TORN_NOT, TORN_DONE, TORN_HALF, TORN_BITS, TORN_N };

struct flash_sim {
    struct sdfa_flash flash; /* for the store; context is this struct */
    uint8_t *bytes, *used;   /* used: programmed since its erase, for each byte */
    uint32_t ops;            /* erases and programs so far */
    uint32_t cut;            /* the operation in which the power fails; 0: none */
    enum torn torn;
    int off; /* the power has failed: nothing works until power_on */
    uint32_t random;
    uint32_t *wear; /* erases of each sector */
};

struct flash_sim *sim_new(uint32_t len, uint32_t sector_len, uint32_t write_len, uint8_t erased, uint32_t endurance);
void sim_free(struct flash_sim *f);

/* Power again; it fails next after cut more operations (0: never). */
void sim_power_on(struct flash_sim *f, uint32_t cut, enum torn torn);

/* A generator for tests. */
uint32_t sim_random(uint32_t *state);

#endif
