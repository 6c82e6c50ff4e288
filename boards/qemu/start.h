/* Start-up that all boards share; the processor's first instructions are in the folder of its family. */
#ifndef START_H
#define START_H

/* Paints the stack, sets variables, runs main, ends the emulator. Needs a stack. */
void start(void) __attribute__((noreturn));

/* Ends the emulator: the processor faulted. Needs a stack. */
void start_fault(void) __attribute__((noreturn));

#endif
