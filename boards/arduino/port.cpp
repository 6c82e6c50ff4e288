/* Device port of boards under the Arduino framework: Pico, Nano 33 BLE, ESP32, Teensy 4.0.
 *
 * Written against the documented interfaces; NOT compiled with the real frameworks by this project's tests, only with a
 * small stand-in. SDFA_BOARD is the board's name; SDFA_BAUD the speed of Serial. */
#include <Arduino.h>

#include "flash.h"
#include "sdfa_port.h"

#ifndef SDFA_BOARD
#define SDFA_BOARD "arduino"
#endif
#ifndef SDFA_BAUD
#define SDFA_BAUD 115200
#endif

extern "C" const struct sdfa_port sdfa_port = {SDFA_BOARD, FLASH_STORE, nullptr, nullptr};

void sdfa_port_start(void) {
    Serial.begin(SDFA_BAUD);
    flash_start();
}

int sdfa_port_get(void) {
    return Serial.available() > 0 ? Serial.read() : -1;
}

void sdfa_port_put(const uint8_t *bytes, uint32_t n) {
    Serial.write(bytes, n);
    Serial.flush();
}

uint32_t sdfa_port_us(void) {
    return (uint32_t)micros();
}

void sdfa_port_reset(void) {
#if defined(ARDUINO_ARCH_ESP32)
    ESP.restart();
#else
    *(volatile uint32_t *)(uintptr_t)0xe000ed0cu = 0x05fa0004u; /* Cortex-M: AIRCR, SYSRESETREQ */
#endif
    for (;;) {
    }
}
