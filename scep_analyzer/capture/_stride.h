/* What the files of the compiled part share. Each says at its top what it does; docs/design.md says why there is one.
 *
 * Two rules hold in all of them: a byte is read only after it was found to lie inside its record, and what is in any way unusual is
 * left to Python, which is always able to go on from there.
 */

#ifndef SCEP_ANALYZER_STRIDE_H
#define SCEP_ANALYZER_STRIDE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, ACK = 0x10 };
enum { LONGEST_KEY = 36, LEAST_START = 4 };

static inline uint16_t big16(const unsigned char *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t big32(const unsigned char *at) { return (uint32_t)big16(at) << 16 | big16(at + 2); }

/* What becomes of a record: an exception; for skim.py; nothing more to do; a Segment for the sieve. */
typedef enum { FAILED = -1, LEFT, STEPPED_OVER, TAKEN } Fate;

/* A TCP segment, as Segment of model/packets.py; its bytes still lie in the capture. ``key`` has ``key_size`` bytes: both addresses,
 * both ports. ``timed``: its time could be worked out here. ``begins``: its first four bytes may begin an HTTP message. */
typedef struct {
    const unsigned char *key, *payload;
    Py_ssize_t key_size, size, cut;
    uint64_t frame;
    int64_t time_ns;
    uint32_t sequence, acknowledgment;
    int flags, hops, ident, window, timed, begins;
} Piece;

/* _looks.c: the first look at HTTP. */

/* Bytes that are looked for, in lower case: one after another in ``bytes``. */
typedef struct {
    Py_ssize_t count;
    const unsigned char **at;
    Py_ssize_t *size;
    PyObject *words; /* which own them */
} Words;

typedef struct {
    Words methods, hints, types, bodies;
} Marks;

int words_of(PyObject *sequence, Words *words);
void words_freed(Words *words);
int begins_request(const Marks *marks, const unsigned char *bytes, Py_ssize_t size);
int other_request(const Marks *marks, const unsigned char *bytes, Py_ssize_t size, Py_ssize_t *whole,
                  const unsigned char **target, Py_ssize_t *target_size);
int other_response(const Marks *marks, const unsigned char *bytes, Py_ssize_t size);
int looks_added(PyObject *module);

/* _regular.c: connections whose course is regular so far, which are not followed. */

typedef struct Regular Regular;

int regular_added(PyObject *module);
Regular *regular_from(PyObject *object);
int regular_find(const Regular *table, const unsigned char *key, Py_ssize_t key_size, uint32_t *entry);
int regular_tame(const Regular *table, uint32_t entry, int side);
Fate regular_goes_on(Regular *table, uint32_t entry, int side, const Piece *piece);
Fate regular_opens(Regular *table, const Piece *piece);

#endif
