/* The device program with the digits, for the Arduino framework (port.cpp says what that means). */
#include <Arduino.h>

#include "digits.h"
#include "sdfa_device.h"
#include "sdfa_selftest.h"

static struct sdfa_device device;
static uint32_t arena[DIGITS_ARENA_LEN / 4], tail[DIGITS_TAIL_LEN / 4];
static const struct sdfa_link_part *const parts[] = {&sdfa_link_selftest};

static void begin(struct sdfa_device *d) {
    d->link.parts = parts;
    d->link.part_n = 1;
}

static const struct sdfa_model model = {
    digits_image, DIGITS_IMAGE_LEN, &digits_kernels, arena, sizeof arena, tail, sizeof tail, nullptr, begin,
};

void setup() {
    (void)sdfa_device_open(&device, &model);
}

void loop() {
    sdfa_device_poll(&device);
}
