/* The promises of sdfa_slots.h, one case each: slots CASE IMAGE OTHER_IMAGE. A broken one is named on stderr. */
#include "flash_sim.h"
#include "sdfa_internal.h"
#include "sdfa_selftest.h"
#include "sdfa_slots.h"

#include <string.h>

#define ENDURANCE 1000000u
#define TURNS     5u /* pushes, and DROP a drop */
#define DROP      3u

/* A device with the first image compiled in, to which both are pushed in turn. */
struct device {
    struct sdfa net;
    struct sdfa_slots slots;
    struct flash_sim *f;
    const struct net *image; /* two files */
    uint32_t arena[4096], tail[4096];
    uint32_t running, young; /* index of the image that runs, and of the one that is on its way */
    int accepts;             /* what verify says */
};

static int verify(void *context, const void *pushed, uint32_t len) {
    const struct device *d = context;
    CHECK(len >= 64 && memcmp(pushed, "SDFA", 4) == 0);
    return d->accepts;
}

static uint32_t sector_of(uint32_t write_len) {
    return write_len < 256 ? 256 : 512;
}

static struct device *device(const struct net *images, uint32_t write_len, uint8_t erased) {
    struct device *d = block(sizeof *d);
    uint32_t sector = sector_of(write_len), longest = (uint32_t)images[0].image_len;
    memset(d, 0, sizeof *d);
    if (images[1].image_len > longest)
        longest = (uint32_t)images[1].image_len;
    d->image = images;
    d->f = sim_new(2 * ((longest + 2 * sector) / sector * sector) + 100, sector, write_len, erased, ENDURANCE);
    d->slots.flash = &d->f->flash;
    d->slots.base = d->f->bytes;
    d->slots.kernels = &sdfa_all_kernels;
    d->slots.arena = d->arena;
    d->slots.tail = d->tail;
    d->slots.arena_len = sizeof d->arena;
    d->slots.tail_len = sizeof d->tail;
    d->accepts = 1;
    return d;
}

static void discard(struct device *d) {
    sim_free(d->f);
    free(d);
}

static int runs(const struct device *d, uint32_t i) {
    const struct sdfa_header *h = d->net.image, *own = (const void *)d->image[i].image;
    return memcmp(h->model_id, own->model_id, sizeof h->model_id) == 0;
}

/* Power on: the image that ran runs, or the one that was on its way. */
static void boot(struct device *d) {
    memset(d->arena, 0x77, sizeof d->arena);
    memset(d->tail, 0x77, sizeof d->tail);
    CHECK(sdfa_slots_open(&d->slots, &d->net, d->image[0].image, d->image[0].image_len) == SDFA_ERR_OK);
    CHECK(runs(d, d->running) || runs(d, d->young));
    d->running = runs(d, d->running) ? d->running : d->young;
    d->young = d->running;
    sdfa_run(&d->net);
    CHECK(sdfa_learn(&d->net, 0) == SDFA_ERR_OK);
}

static int push(struct device *d, uint32_t i, uint32_t chunk) {
    const uint8_t *image = d->image[i].image;
    uint32_t len = (uint32_t)d->image[i].image_len;
    int error = sdfa_slots_begin(&d->slots, len, sdfa_crc32(0, image, len));
    d->young = i;
    for (uint32_t off = 0; off < len && !error; off += chunk)
        error = sdfa_slots_data(&d->slots, off, image + off, len - off < chunk ? len - off : chunk);
    return error ? error : sdfa_slots_end(&d->slots, &d->net);
}

static int drop(struct device *d) {
    d->young = 0;
    return sdfa_slots_drop(&d->slots);
}

/* Power fails in operation `cut` of some pushes and a drop. 0 when it never failed. */
static int cut_at(struct device *d, uint32_t cut, enum torn torn) {
    int failed = 0;
    memset(d->f->bytes, d->f->flash.erased, d->f->flash.len);
    memset(d->f->used, 0, d->f->flash.len);
    d->running = d->young = 0;
    boot(d);
    sim_power_on(d->f, cut, torn);
    for (uint32_t i = 0; i < TURNS; i++) {
        int error = i == DROP ? drop(d) : push(d, i != 1, 100);
        CHECK(error == (d->f->off ? SDFA_ERR_FLASH : SDFA_ERR_OK));
        if (error)
            failed = 1;
        else
            d->running = d->young;
        sim_power_on(d->f, error ? 0 : d->f->cut > d->f->ops ? d->f->cut - d->f->ops : 0, torn);
        boot(d);
    }
    return failed;
}

static const uint32_t write_lens[] = {1, 4, 8, 32, 256};

/* Every operation, in each geometry, torn in each way. */
static void cuts(const struct net *images) {
    for (uint32_t w = 0; w < sizeof write_lens / sizeof *write_lens; w++)
        for (int erased = 0; erased < 2; erased++) {
            struct device *d = device(images, write_lens[w], erased ? 0xff : 0x00);
            for (int torn = 0; torn < TORN_N; torn++) {
                uint32_t n = 0;
                while (cut_at(d, n + 1, (enum torn)torn))
                    n++;
                printf("%u %d %d: %u cuts\n", (unsigned)write_lens[w], erased, torn, (unsigned)n);
            }
            discard(d);
        }
}

static void expect_running(struct device *d, uint32_t i, uint32_t slot) {
    struct sdfa_slots_info info;
    d->running = d->young = i;
    boot(d);
    CHECK(sdfa_slots_look(&d->slots, &info) == SDFA_ERR_OK && info.running == slot);
}

/* Damage to the newest gives the one before; to both, the compiled-in image. What the signature check refuses now, too.
 */
static void fallback(const struct net *images) {
    struct device *d = device(images, 8, 0xff);
    uint32_t half;
    expect_running(d, 0, 0);
    CHECK(push(d, 1, 128) == SDFA_ERR_OK);
    expect_running(d, 1, 1);
    CHECK(push(d, 0, 128) == SDFA_ERR_OK);
    expect_running(d, 0, 2);
    half = d->f->flash.len / 2 / d->f->flash.sector_len * d->f->flash.sector_len;
    d->f->bytes[half + 300] ^= 4;
    expect_running(d, 1, 1);
    d->slots.verify = verify;
    d->slots.context = d;
    expect_running(d, 1, 1);
    d->accepts = 0;
    expect_running(d, 0, 0);
    d->accepts = 1;
    CHECK(push(d, 0, 128) == SDFA_ERR_OK);
    expect_running(d, 0, 2);
    d->f->bytes[half + 300] ^= 4;
    d->f->bytes[300] ^= 4;
    expect_running(d, 0, 0);
    discard(d);
}

/* The compiled-in image runs, also where an older pushed one is whole; until another one is pushed. */
static void dropped(const struct net *images) {
    struct device *d = device(images, 8, 0xff);
    expect_running(d, 0, 0);
    CHECK(drop(d) == SDFA_ERR_OK && d->f->ops == 0);
    CHECK(push(d, 1, 128) == SDFA_ERR_OK);
    expect_running(d, 1, 1);
    CHECK(push(d, 1, 128) == SDFA_ERR_OK);
    expect_running(d, 1, 2);
    CHECK(drop(d) == SDFA_ERR_OK);
    expect_running(d, 0, 0);
    CHECK(push(d, 1, 128) == SDFA_ERR_OK);
    expect_running(d, 1, 2);
    CHECK(drop(d) == SDFA_ERR_OK && drop(d) == SDFA_ERR_OK);
    expect_running(d, 0, 0);
    discard(d);
}

/* What is refused leaves the running image, its weights, and nothing that would start. */
static void refuse(struct device *d, int error, int expected) {
    uint32_t before = sdfa_crc32(0, d->tail, d->net.tail_len);
    if (error != expected)
        fprintf(stderr, "%d instead of %d\n", error, expected);
    CHECK(error == expected);
    CHECK(sdfa_crc32(0, d->tail, d->net.tail_len) == before);
    CHECK(sdfa_slots_data(&d->slots, d->slots.at, d->image[0].image, 4) == SDFA_ERR_PUSH);
    CHECK(sdfa_slots_end(&d->slots, &d->net) == SDFA_ERR_PUSH);
    sdfa_run(&d->net);
    CHECK(sdfa_learn(&d->net, 0) == SDFA_ERR_OK);
    expect_running(d, 0, 0);
}

static int push_bytes(struct device *d, const uint8_t *bytes, uint32_t len, uint32_t crc) {
    int error = sdfa_slots_begin(&d->slots, len, crc);
    if (!error)
        error = sdfa_slots_data(&d->slots, 0, bytes, len);
    return error ? error : sdfa_slots_end(&d->slots, &d->net);
}

/* Its own CRC-32 made good again. */
static uint32_t sealed(uint8_t *image, uint32_t len) {
    uint32_t crc = sdfa_crc32(0, image + 8, len - 8);
    memcpy(image + 4, &crc, sizeof crc);
    return sdfa_crc32(0, image, len);
}

static uint8_t *gold_in(uint8_t *image) {
    struct sdfa_header h;
    memcpy(&h, image, sizeof h);
    for (uint32_t i = 0; i < h.section_n; i++) {
        struct sdfa_section e;
        memcpy(&e, image + sizeof h + i * sizeof e, sizeof e);
        if (e.tag == SDFA_TAG_GOLD)
            return image + e.off;
    }
    return NULL;
}

static void refusals(const struct net *images) {
    struct device *d = device(images, 8, 0xff);
    uint32_t len = (uint32_t)images[1].image_len, crc = sdfa_crc32(0, images[1].image, len);
    static const struct sdfa_kernels none;
    uint8_t *bad = copy(images[1].image, len);
    expect_running(d, 0, 0);
    refuse(d, push_bytes(d, bad, len, crc ^ 1u), SDFA_ERR_CRC);
    refuse(d, sdfa_slots_begin(&d->slots, d->f->flash.len / 2, 0), SDFA_ERR_SLOT);
    refuse(d, sdfa_slots_begin(&d->slots, 63, 0), SDFA_ERR_ARGUMENT);
    d->slots.verify = verify;
    d->slots.context = d;
    d->accepts = 0;
    refuse(d, push(d, 1, 128), SDFA_ERR_SIGNATURE);
    d->slots.verify = NULL;
    d->slots.kernels = &none;
    CHECK(push(d, 1, 128) == SDFA_ERR_KERNEL);
    d->slots.kernels = &sdfa_all_kernels;
    refuse(d, SDFA_ERR_KERNEL, SDFA_ERR_KERNEL);
    d->slots.tail_len = d->net.tail_len;
    CHECK(images[1].tail_len > d->net.tail_len);
    CHECK(push(d, 1, 128) == SDFA_ERR_TAIL);
    refuse(d, SDFA_ERR_TAIL, SDFA_ERR_TAIL);
    d->slots.tail_len = sizeof d->tail;
    d->slots.arena_len = d->net.arena_len;
    CHECK(images[1].arena_len > d->net.arena_len);
    CHECK(push(d, 1, 128) == SDFA_ERR_ARENA);
    refuse(d, SDFA_ERR_ARENA, SDFA_ERR_ARENA);
    d->slots.arena_len = sizeof d->arena;
    gold_in(bad)[5] ^= 1; /* the golden CRC */
    refuse(d, push_bytes(d, bad, len, sealed(bad, len)), SDFA_ERR_SELFTEST);

    for (uint32_t i = 64; i < 64 + 16 * 8; i += 16)
        if (memcmp(bad + i, "GOLD", 4) == 0)
            memcpy(bad + i, "OLDG", 4);
    refuse(d, push_bytes(d, bad, len, sealed(bad, len)), SDFA_ERR_GOLD);
    bad[300] ^= 1; /* the image's own sum no longer holds */
    refuse(d, push_bytes(d, bad, len, sdfa_crc32(0, bad, len)), SDFA_ERR_CRC);
    free(bad);
    discard(d);
}

/* Parts out of turn are refused and program nothing twice (flash_sim watches). */
static void turns(const struct net *images) {
    struct device *d = device(images, 32, 0xff);
    const uint8_t *image = images[1].image;
    uint32_t len = (uint32_t)images[1].image_len;
    expect_running(d, 0, 0);
    CHECK(sdfa_slots_begin(&d->slots, len, sdfa_crc32(0, image, len)) == SDFA_ERR_OK);
    CHECK(sdfa_slots_data(&d->slots, 0, image, 100) == SDFA_ERR_OK);
    CHECK(sdfa_slots_data(&d->slots, 0, image, 100) == SDFA_ERR_PUSH);
    CHECK(sdfa_slots_data(&d->slots, 101, image, 100) == SDFA_ERR_PUSH);
    CHECK(sdfa_slots_data(&d->slots, 100, image + 100, len) == SDFA_ERR_PUSH);
    CHECK(sdfa_slots_data(&d->slots, 100, image + 100, len - 100) == SDFA_ERR_OK);
    CHECK(sdfa_slots_end(&d->slots, &d->net) == SDFA_ERR_OK);
    CHECK(sdfa_slots_end(&d->slots, &d->net) == SDFA_ERR_PUSH);
    expect_running(d, 1, 1);
    discard(d);
}

/* A test with other weights in RAM leaves them, and the counters; a kernel that computes wrongly is found. */
static void selftest(const struct net *images) {
    for (uint32_t i = 0; i < 2; i++) {
        struct net n = images[i];
        struct sdfa before;
        uint8_t *weights;
        CHECK(open_with(&n, &sdfa_all_kernels, 1) == SDFA_ERR_OK);
        for (uint32_t k = 0; k < 20; k++) {
            run(&n, k);
            CHECK(sdfa_learn(&n.s, k % 2) == SDFA_ERR_OK);
        }
        weights = copy(n.tail, n.tail_len);
        before = n.s;
        CHECK(sdfa_selftest(&n.s) == SDFA_ERR_OK);
        before.ready = 0;
        CHECK(memcmp(&before, &n.s, sizeof before) == 0 && memcmp(weights, n.tail, n.tail_len) == 0);
        CHECK(sdfa_learn(&n.s, 0) == SDFA_ERR_ORDER);
        memset(n.image + (n.s.factory - n.image), 1, 4u); /* a bias of the first layer that learns */
        CHECK(sdfa_selftest(&n.s) == SDFA_ERR_SELFTEST);
        free(weights);
    }
}

static const struct {
    const char *name;
    void (*run)(const struct net *images);
} cases[] = {
    {"cuts", cuts},         {"fallback", fallback}, {"dropped", dropped},
    {"refusals", refusals}, {"turns", turns},       {"selftest", selftest},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 4 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            struct net images[2] = {load(argv[2]), load(argv[3])};
            cases[i].run(images);
            unload(&images[0]);
            unload(&images[1]);
            return 0;
        }
    fprintf(stderr, "usage: slots CASE IMAGE OTHER_IMAGE\n");
    return 2;
}
