/* What a board gives to the device program. PORTING.md: how to write one for another board. */
#ifndef SDFA_PORT_H
#define SDFA_PORT_H

#include <stdint.h>

#include "sdfa_store.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdfa_port {
    const char *board;              /* at most 24 characters */
    const struct sdfa_flash *store; /* where learned weights are kept; NULL: nowhere */
    const struct sdfa_flash *slots; /* where images that come over the link are kept; NULL: nowhere */
    const void *slots_base;         /* where the region `slots` can be read as memory */
};
extern const struct sdfa_port sdfa_port;

/* Clocks, the serial port, the microsecond counter. Called once, before anything else here. */
void sdfa_port_start(void);

/* The next byte that has come, or -1: none has. May wait for a millisecond, not longer. */
int sdfa_port_get(void);

/* Sends n bytes; may wait until they are sent. */
void sdfa_port_put(const uint8_t *bytes, uint32_t n);

/* Microseconds since some moment, modulo 2^32. Right when it, or sdfa_port_get, is called once in a minute. */
uint32_t sdfa_port_us(void);

/* Starts the board anew, as after a power-on. Does not return. */
void sdfa_port_reset(void);

#ifdef __cplusplus
}
#endif

#endif
