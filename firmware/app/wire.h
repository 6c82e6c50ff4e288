/* Requests and replies as bytes: what the handlers of app.h share. */
#ifndef SDFA_WIRE_H
#define SDFA_WIRE_H

#include "app.h"

uint32_t get_u16(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);

void write_u16(uint32_t value);
void write_u32(uint32_t value);
void write_u64(uint64_t value);

/* The head of a reply; len bytes follow if status is 0. */
void begin(int status, uint32_t len);

/* A reply without payload to a request whose payload of len bytes is of no use. */
bool refuse(int status, uint32_t len);

/* Answers a request of len bytes: samples of in_len bytes, each read by next, which writes out_len bytes. */
bool stream(uint32_t len, uint32_t in_len, uint32_t out_len, bool (*next)(void));

#endif
