/* Start-up that all boards share; the processor's first instructions are in the folder of its family. */
#ifndef START_H
#define START_H

/* Paints the stack, sets variables, runs main. Needs a stack. */
void start(void) __attribute__((noreturn));

/* main has returned; the processor faulted (on a new stack). A program may define what these do; else the processor
 * starts anew. */
void start_end(int code) __attribute__((noreturn));
void start_fault(void) __attribute__((noreturn));

#endif
