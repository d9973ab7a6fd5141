/* What Swift cannot call, or sees only as awkward constants, on Linux. */
#ifndef CSYSTEM_H
#define CSYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "csystem_network.h"

/* What a descriptor may be ready for. */
static const uint32_t csystem_readable = 0x001;
static const uint32_t csystem_writable = 0x004;
/* Told whether asked for or not: an error, and that both sides have closed. */
static const uint32_t csystem_failed = 0x008;
static const uint32_t csystem_closed = 0x010;
/* The other side will send no more. */
static const uint32_t csystem_hangup = 0x2000;
/* Told once each time it becomes so, not as long as it is. */
static const uint32_t csystem_edge = 1u << 31;

/* What is ready, and for what. */
typedef struct csystem_ready {
  uint64_t tag;
  uint32_t events;
} csystem_ready;

int csystem_poller(void);
/* Watches a descriptor for events, under a tag of the caller's; 0 events end the watch. `known` says
 * whether it is watched already. 0, or -1 with errno. */
int csystem_watch(int poller, int descriptor, uint64_t tag, uint32_t events, int known);
/* Waits for at most `milliseconds` (-1: for ever) and fills `ready`. How many, or -1 with errno. */
int csystem_wait(int poller, csystem_ready *ready, int room, int milliseconds);
/* A counter that wakes who waits for it. Not blocking. */
int csystem_eventfd(void);
/* The next connection, not blocking and closed on exec; or -1 with errno. */
int csystem_accept(int listener);
/* Blocks the signals in this thread and all it starts, and delivers them through the descriptor. */
int csystem_signalfd(const int *signals, int count);
/* The next signal number that came, or 0. */
int csystem_next_signal(int signalfd);
/* A thread with a stack of so many bytes. 0, or an errno. Swift cannot tell whose pthread_attr_t it sees: each C
 * library that includes it brings its own. */
int csystem_start_thread(unsigned long *thread, size_t stack, void *(*body)(void *), void *context);
void csystem_name_thread(const char *name);
/* What a simulated world shows the node that runs now on its thread: the clocks, in nanoseconds, and the state of its
 * random numbers. */
typedef struct csystem_world {
  int64_t monotonic, wall;
  uint64_t random[4];
} csystem_world;
extern _Thread_local csystem_world *csystem_present_world;
/* Null on all threads but those that run a world. */
static inline csystem_world *csystem_world_here(void) { return csystem_present_world; }
static inline void csystem_enter_world(csystem_world *world) { csystem_present_world = world; }
/* Lets the program that this process becomes next have the same addresses each time. 1 if that is new. */
int csystem_fix_addresses(void);
/* Room full of bytes fit for keys. 0, or -1 with errno. */
int csystem_random(void *room, size_t length);
/* Begins to write a part of a file to the disk, and does not wait. Only a hint. */
void csystem_begin_writing(int descriptor, int64_t offset, int64_t length);
/* A file that nobody else sees, in memory, or -1 with errno. */
int csystem_memory_file(void);
/* Starts `path` with the descriptor `channel` as its 3, standard output as standard error. The child
 * dies with this process and gets default signal handling. Its id, or -1 with errno. */
int csystem_start_child(const char *path, char *const arguments[], int channel);
/* A new file of this process alone, gone when it is closed; or -1 with errno. */
int csystem_unnamed_file(const char *folder);
/* Gives back the memory of a library that nobody uses any more and that cannot be unmapped. Its code and constants the
 * system can read again from its own file. What the loader wrote into constants, mostly addresses, has no file: it is
 * written to `file`, from `file_end` on, and mapped from there; the new end is returned. Writable data stays as it is.
 * So the library is as usable as before, should somebody open it again; it costs time, at the first touch. A `file` of
 * -1 leaves the constants too. */
uint64_t csystem_retire_pages(void *library, int file, uint64_t file_end);
/* Starts a program found on the PATH, in a folder and a process group of its own, with `output` for both
 * of its outputs if that is not -1, and nothing to read. It gets `signal` when this process ends. Its id,
 * or -1 with errno. */
int csystem_start_program(char *const arguments[], const char *folder, int output, int signal);

/* What a library may change in the process that loads it, and where nobody else would look. */

/* The handler of each signal, 0 for the default one, 1 for none; and one word more: the mask of what this
 * thread blocks. Fills CSYSTEM_SIGNAL_WORDS words. */
#define CSYSTEM_SIGNAL_WORDS 66
void csystem_signal_state(uint64_t *words);
/* All variables, as they are now; ends in null. */
char *const *csystem_environment(void);
/* How this thread rounds, and what it does with the smallest numbers. */
uint64_t csystem_float_control(void);
/* Bytes that the process has allocated and not freed. */
uint64_t csystem_heap_in_use(void);
/* A crash of this process leaves no file behind. */
void csystem_no_core_dump(void);

/* Lets the process open as many files and sockets as its hard limit allows. How many that is. */
uint64_t csystem_raise_open_files(void);

#endif
