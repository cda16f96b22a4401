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

/* What becomes of a record: an exception; for skim.py; nothing more to do; a Segment for the sieve; something that goes on past the
 * sieve; the same, and the record is looked at once more. */
typedef enum { FAILED = -1, LEFT, STEPPED_OVER, TAKEN, GIVEN, GIVEN_BEFORE } Fate;

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

/* _table.c: connections in the care of the compiled part. */

enum { CLIENT = 1, SERVER = 2, BOTH = 3 };
enum { NUMBERS, REQUESTS, HELD, YOUNG, COUNTS }; /* as in sieve/flows.py */
enum { NOWHERE = UINT32_MAX };

/* What a Segment holds that is kept. */
typedef struct {
    uint64_t frame;
    int64_t time_ns;
    uint32_t sequence, acknowledgment;
    int32_t flags, window;
    int32_t hops, ident;
} Header;

typedef struct Run Run;

/* A connection, as Flow of sieve/flow.py. The arrays have the client's value first. */
typedef struct {
    unsigned char key[LONGEST_KEY]; /* of the client's direction */
    uint8_t key_size;               /* 0: the entry is free */
    uint8_t young, old; /* the directions that have come by in this generation, and in the one before */
    uint8_t known;      /* the directions whose first sequence number is known */
    uint8_t fresh, past_known, asker;
    uint8_t tamed, established, ended, heard, asked, answer_known, openings;
    uint8_t lent;       /* it is followed: only ``number``, ``next_bytes`` and ``run`` are of use then */
    uint32_t following; /* in the chain of its hash, or in that of free entries */
    uint32_t next, answer_at, past[2];
    int64_t first[2], number;
    Header opening[2], request;
    unsigned char *request_bytes;
    Py_ssize_t request_size;
    uint32_t next_bytes[2];
    Run *run;
} Entry;

typedef struct Regular {
    PyObject_HEAD
    Entry *entries;
    uint32_t room, used, unused; /* of entries: allocated, ever used, the first free one */
    uint32_t *heads, mask;       /* of the chains */
    uint64_t seed;
    uint32_t hurried;                       /* the next entry whose run is asked for; NOWHERE: none is */
    Py_ssize_t waiting;                     /* bytes of all runs */
    PyObject *young, *old, *met_tls, *pass; /* Flows' tables, and what it is told */
    Py_buffer counts;
    int64_t most_young, most_held;
    Marks marks;
} Regular;

static inline int64_t *count_of(const Regular *table, int which) { return (int64_t *)table->counts.buf + which; }

/* How far a sequence number lies behind another; negative where before. */
static inline int64_t distance(uint32_t sequence, uint32_t other) { return (int32_t)(sequence - other); }

int table_added(PyObject *module);
Regular *table_from(PyObject *object);
int table_find(const Regular *table, const unsigned char *key, Py_ssize_t key_size, uint32_t *entry);
Entry *table_add(Regular *table, const unsigned char *key, Py_ssize_t size);
void table_remove(Regular *table, uint32_t gone);
void key_reversed(const unsigned char *key, Py_ssize_t size, unsigned char *other);

/* _regular.c: those that are not followed, as long as their course is regular. */

int regular_tame(const Regular *table, uint32_t entry, int side);
Fate regular_goes_on(Regular *table, uint32_t entry, int side, const Piece *piece);
Fate regular_opens(Regular *table, const Piece *piece);
PyObject *regular_state(const Entry *entry);

/* _followed.c: those that are followed, as long as their bytes come in order. */

Fate followed_goes_on(Regular *table, uint32_t entry, int side, const Piece *piece, PyObject **given);
void run_freed(Regular *table, Entry *entry);
PyObject *followed_lend(PyObject *self, PyObject *arguments);
PyObject *followed_recover(PyObject *self, PyObject *argument);
PyObject *followed_expect(PyObject *self, PyObject *arguments);
PyObject *followed_hurried(Regular *table);
PyObject *followed_hurry(PyObject *self, PyObject *ignored);

#endif
