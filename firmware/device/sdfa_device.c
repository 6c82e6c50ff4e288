#include "sdfa_device.h"

#include <string.h>

#include "link/sdfa_requests.h"
#include "sdfa_port.h"

static void open_net(struct sdfa_device *d) {
    const struct sdfa_model *m = d->model;

    d->error =
        m->open ? m->open(d)
                : sdfa_open(&d->net, m->image, m->image_len, m->kernels, m->arena, m->arena_len, m->tail, m->tail_len);
    /* Where nothing whole is saved, these are the factory weights: LOAD tells the reason. */
    if (!d->error && m->tail && sdfa_port.store)
        (void)sdfa_load(&d->net, sdfa_port.store);
    if (!d->error && m->begin)
        m->begin(d);
}

int sdfa_device_open(struct sdfa_device *d, const struct sdfa_model *model) {
    memset(d, 0, sizeof *d);
    sdfa_port_start();
    d->model = model;
    d->link.net = &d->net;
    d->link.flash = sdfa_port.store;
    d->link.board = sdfa_port.board;
    d->link.clock_us = sdfa_port_us;
    open_net(d);
    return d->error;
}

/* What can be said without a net: to each request the reason. */
static uint32_t refuse(struct sdfa_device *d, uint8_t byte) {
    uint32_t len = sdfa_frame_take(&d->link.in, byte);

    if (len < SDFA_REQUEST_HEAD || SDFA_IS_REPLY(d->link.in.body[0]))
        return 0;
    return sdfa_link_say(&d->link, d->link.in.body[0] == SDFA_LINK_REQUEST ? d->error : SDFA_ERR_LINK);
}

static uint32_t take(struct sdfa_device *d, uint8_t byte) {
    return d->error ? refuse(d, byte) : sdfa_link_take(&d->link, byte);
}

void sdfa_device_poll(struct sdfa_device *d) {
    uint32_t n = 0;
    int byte;

    while (n == 0 && (byte = sdfa_port_get()) >= 0)
        n = take(d, (uint8_t)byte);
    sdfa_port_put(d->link.wire, n);
    n = sdfa_link_work(&d->link); /* what is slow, once "busy" is on its way */
    sdfa_port_put(d->link.wire, n);
    if (d->link.renew) {
        d->link.renew = 0;
        open_net(d);
    }
}

int sdfa_device(const struct sdfa_model *model) {
    static struct sdfa_device device;

    (void)sdfa_device_open(&device, model);
    for (;;)
        sdfa_device_poll(&device);
}
