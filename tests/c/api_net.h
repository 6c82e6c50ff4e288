/* An image with its memory, for api.c: opened, run, taught, and compared with what it was. */
#ifndef API_NET_H
#define API_NET_H

#include "sdfa.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* An image and its memory, each block of exactly the length it needs. */
struct net {
    struct sdfa s;
    uint8_t *image, *arena, *tail;
    size_t image_len, arena_len, tail_len;
};

/* Everything that a call may change. */
struct shot {
    struct sdfa s;
    uint8_t *arena, *tail;
};

/* The file and memory for it, not opened yet. */
struct net load(const char *path);
void unload(struct net *n);

int open_with(struct net *n, const struct sdfa_kernels *kernels, int learns);
struct net opened(const char *path);
struct net opened_frozen(const char *path);

/* The i-th of some inputs. */
void run(struct net *n, uint32_t i);
void teach(struct net *n, uint32_t steps);

/* len bytes on the heap, to be freed: new ones, and a copy. */
void *block(size_t len);
uint8_t *copy(const uint8_t *from, size_t len);

struct shot shoot(const struct net *n);
/* Whether the net is as it was; frees the shot. */
int unchanged(const struct net *n, struct shot shot);

/* The call returns this error and changes nothing. */
#define REFUSED(n, call, error)                                                                                        \
    do {                                                                                                               \
        struct shot shot = shoot(n);                                                                                   \
        CHECK((call) == (error));                                                                                      \
        CHECK(unchanged(n, shot));                                                                                     \
    } while (0)

#endif
