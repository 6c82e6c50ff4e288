/* The device program: a net behind the device link (SPEC.md 6), on a board that has a port (sdfa_port.h).
 *
 *   static const struct sdfa_model model = {digits_image, sizeof digits_image, &digits_kernels,
 *                                           arena, sizeof arena, tail, sizeof tail};
 *   int main(void) {
 *       return sdfa_device(&model);
 *   }
 *
 * A program that has more to do calls sdfa_device_open once and sdfa_device_poll often instead, and uses device.net between
 * two calls: see sdfa_device.c, it is short.
 */
#ifndef SDFA_DEVICE_H
#define SDFA_DEVICE_H

#include "sdfa_link.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdfa_device;

/* A net and its memory, as for sdfa_open. tail: NULL, tail_len 0: inference only.
 *
 * open   opens d->net in another way than with sdfa_open, such as sdfa_slots_open; NULL: sdfa_open. Returns its error.
 * begin  called whenever the net has been opened and saved weights are loaded: offers more requests in d->link (parts,
 *        gate, trace, slots of sdfa_link.h); NULL: none. What these two do not name is not linked. */
struct sdfa_model {
    const void *image;
    uint32_t image_len;
    const struct sdfa_kernels *kernels;
    void *arena;
    uint32_t arena_len;
    void *tail;
    uint32_t tail_len;
    int (*open)(struct sdfa_device *d);
    void (*begin)(struct sdfa_device *d);
};

struct sdfa_device {
    struct sdfa net;
    struct sdfa_link link;
    const struct sdfa_model *model;
    int error; /* why the net could not be opened: then it must not be used; 0: it is open */
};

/* Starts the port, opens the net, and loads what was saved last, if there is anything. Returns d->error. */
int sdfa_device_open(struct sdfa_device *d, const struct sdfa_model *model);

/* Answers what has come over the link, one request at most; returns at once where nothing has. Opens the net anew when
 * another image was pushed. Where the net is not open, every request is answered with the reason. */
void sdfa_device_poll(struct sdfa_device *d);

/* Both, for ever. Does not return; the type is that of main. */
int sdfa_device(const struct sdfa_model *model);

#ifdef __cplusplus
}
#endif

#endif
