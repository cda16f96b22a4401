/* Connections that are followed, as long as their bytes come in order, acknowledged and with an open window.
 *
 * What tells_something of sieve/flow.py would leave out is left out here; every other segment goes on with its connection's number, past
 * the sieve. The HTTP stage says how many bytes of a direction end nothing, whatever they are: the middle of a body, or of a head. Those
 * are put together here, and go on as one Joined with the segment that may end something, when the direction turns, or when they are
 * too many. All else makes Python take the connection over (``recover``), and nothing here has changed then.
 */

#include "_stride.h"

enum { LONGEST_RUN = 64 * 1024, MOST_WAITING = 4 * 1024 * 1024 }; /* bytes, spans included; of one run, and of all */

/* One segment's part of a run. */
typedef struct {
    uint64_t frame;
    int64_t time_ns;
    uint32_t size;
    int32_t hops, ident, window;
} Span;

/* What waits of one direction, and what is expected of both. */
struct Run {
    int64_t left[2];          /* so many bytes end nothing */
    uint8_t head[2];          /* unless a blank line is among them */
    unsigned char tail[2][2]; /* the two bytes before */
    int side;                 /* whose bytes wait */
    uint32_t sequence, acknowledgment;
    unsigned char *bytes;
    Py_ssize_t size, room;
    Span *spans;
    Py_ssize_t count, spans_room;
};

static Py_ssize_t taken_by(const Run *run) { return run->size + run->count * (Py_ssize_t)sizeof(Span); }

void run_freed(Regular *table, Entry *entry) {
    Run *run = entry->run;
    if (run == NULL)
        return;
    table->waiting -= taken_by(run);
    PyMem_Free(run->bytes);
    PyMem_Free(run->spans);
    PyMem_Free(run);
    entry->run = NULL;
}

/* Room for ``more`` in an array of ``size`` things; -1 where there is none. */
static int grown(void **array, Py_ssize_t *room, Py_ssize_t wanted, size_t each) {
    if (wanted <= *room)
        return 0;
    Py_ssize_t larger = wanted < 16 ? 16 : wanted * 2;
    void *moved = PyMem_Realloc(*array, (size_t)larger * each);
    if (moved == NULL)
        return -1;
    *array = moved, *room = larger;
    return 0;
}

static int appended(Regular *table, Run *run, int side, const Piece *piece) {
    void *bytes = run->bytes, *spans = run->spans;
    int failed = grown(&bytes, &run->room, run->size + piece->size, 1) < 0;
    run->bytes = bytes;
    failed = failed || grown(&spans, &run->spans_room, run->count + 1, sizeof(Span)) < 0;
    run->spans = spans;
    if (failed)
        return -1;
    if (!run->count)
        run->side = side, run->sequence = piece->sequence, run->acknowledgment = piece->acknowledgment;
    memcpy(run->bytes + run->size, piece->payload, (size_t)piece->size);
    run->spans[run->count] = (Span){.frame = piece->frame,
                                    .time_ns = piece->time_ns,
                                    .size = (uint32_t)piece->size,
                                    .hops = piece->hops,
                                    .ident = piece->ident,
                                    .window = piece->window};
    table->waiting += piece->size + (Py_ssize_t)sizeof(Span);
    run->size += piece->size;
    run->count++;
    return 0;
}

/* Whether a blank line ends among these bytes, ``tail`` being the two before them. */
static int ends_head(const unsigned char *tail, const unsigned char *bytes, Py_ssize_t size) {
    for (const unsigned char *at = bytes, *end = bytes + size; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        Py_ssize_t before = at - bytes;
        unsigned char last = before > 0 ? at[-1] : tail[1], second = before > 1 ? at[-2] : tail[before];
        if (last == '\n' || (last == '\r' && second == '\n'))
            return 1;
    }
    return 0;
}

/* Whether a segment ends nothing and is put to what waits. */
static int is_swallowed(const Regular *table, const Run *run, int side, const Piece *piece) {
    Py_ssize_t more = piece->size + (Py_ssize_t)sizeof(Span);
    if (piece->size > run->left[side - 1] || taken_by(run) + more > LONGEST_RUN || table->waiting + more > MOST_WAITING)
        return 0;
    return !run->head[side - 1] || !ends_head(run->tail[side - 1], piece->payload, piece->size);
}

static void noted(Run *run, int side, const Piece *piece) {
    unsigned char *tail = run->tail[side - 1];
    run->left[side - 1] -= piece->size;
    tail[0] = piece->size > 1 ? piece->payload[piece->size - 2] : tail[1];
    tail[1] = piece->payload[piece->size - 1];
}

/* What waits, as Joined of model/packets.py; nothing waits then, and nothing is expected of this direction until Python says it again. */
static PyObject *run_given(Regular *table, const Entry *entry) {
    Run *run = entry->run;
    unsigned char key[LONGEST_KEY];
    if (run->side == CLIENT)
        memcpy(key, entry->key, entry->key_size);
    else
        key_reversed(entry->key, entry->key_size, key);
    PyObject *spans = PyTuple_New(run->count);
    for (Py_ssize_t at = 0; spans != NULL && at < run->count; at++) {
        const Span *span = &run->spans[at];
        PyObject *each = Py_BuildValue("KLkiii", (unsigned long long)span->frame, (long long)span->time_ns,
                                       (unsigned long)span->size, (int)span->hops, (int)span->ident, (int)span->window);
        if (each == NULL || PyTuple_SetItem(spans, at, each) < 0)
            Py_CLEAR(spans);
    }
    if (spans == NULL)
        return NULL;
    PyObject *given = Py_BuildValue("Ly#kky#N", (long long)entry->number, (const char *)key, (Py_ssize_t)entry->key_size,
                                    (unsigned long)run->sequence, (unsigned long)run->acknowledgment, (const char *)run->bytes,
                                    run->size, spans);
    table->waiting -= taken_by(run);
    run->left[run->side - 1] = 0;
    run->size = run->count = 0;
    return given;
}

/* TAKEN: Python is to take the connection over. */
Fate followed_goes_on(Regular *table, uint32_t at, int side, const Piece *piece, PyObject **given) {
    Entry *entry = &table->entries[at];
    Run *run = entry->run;
    if (piece->flags & (FIN | SYN | RST) || !(piece->flags & ACK) || piece->cut || !piece->window || !piece->timed)
        return TAKEN;
    if (!piece->size) /* it says something new where it acknowledges what the capture does not hold */
        return distance(piece->acknowledgment, entry->next_bytes[2 - side]) > 0 ? TAKEN : STEPPED_OVER;
    if (piece->sequence != entry->next_bytes[side - 1])
        return TAKEN;
    int waits = run != NULL && run->count;
    if (waits && (run->side != side || run->acknowledgment != piece->acknowledgment)) {
        *given = run_given(table, entry);
        return *given == NULL ? FAILED : GIVEN_BEFORE;
    }
    int swallowed = run != NULL && is_swallowed(table, run, side, piece);
    if ((swallowed || waits) && appended(table, run, side, piece) < 0) {
        PyErr_NoMemory();
        return FAILED;
    }
    entry->next_bytes[side - 1] += (uint32_t)piece->size;
    if (piece->begins && begins_request(&table->marks, piece->payload, piece->size) == 1)
        (*count_of(table, REQUESTS))++;
    if (swallowed) {
        noted(run, side, piece);
        return STEPPED_OVER;
    }
    if (waits)
        *given = run_given(table, entry);
    else {
        if (run != NULL)
            run->left[side - 1] = 0;
        *given = Py_BuildValue("y#kkiy#nLiii", (const char *)piece->key, piece->key_size, (unsigned long)piece->sequence,
                               (unsigned long)piece->acknowledgment, piece->flags, (const char *)piece->payload, piece->size,
                               piece->cut, (long long)entry->number, piece->hops, piece->ident, piece->window);
    }
    return *given == NULL ? FAILED : GIVEN;
}

/* One run that waits, of whichever connection, while Python has asked for all; NULL without an exception where none does. */
PyObject *followed_hurried(Regular *table) {
    for (; table->hurried < table->used; table->hurried++) {
        Entry *entry = &table->entries[table->hurried];
        if (!entry->key_size || !entry->lent || entry->run == NULL)
            continue;
        entry->run->left[0] = entry->run->left[1] = 0;
        if (entry->run->count)
            return run_given(table, entry);
    }
    table->hurried = NOWHERE;
    return NULL;
}

/* ---- what Python asks for -------------------------------------------------------------------------------------------------- */

PyObject *followed_lend(PyObject *self, PyObject *arguments) {
    Regular *table = (Regular *)self;
    const char *key;
    Py_ssize_t size;
    long long number;
    unsigned long next_client, next_server;
    unsigned char other[LONGEST_KEY];
    uint32_t at;
    if (!PyArg_ParseTuple(arguments, "y#Lkk", &key, &size, &number, &next_client, &next_server))
        return NULL;
    if (size != 12 && size != LONGEST_KEY)
        Py_RETURN_FALSE;
    key_reversed((const unsigned char *)key, size, other);
    if (!memcmp(key, other, (size_t)size) || table_find(table, (const unsigned char *)key, size, &at))
        Py_RETURN_FALSE;
    Entry *entry = table_add(table, (const unsigned char *)key, size);
    if (entry == NULL)
        Py_RETURN_FALSE;
    entry->lent = 1;
    entry->number = number;
    entry->next_bytes[0] = (uint32_t)next_client, entry->next_bytes[1] = (uint32_t)next_server;
    Py_RETURN_TRUE;
}

/* The entry of a followed connection; NULL, perhaps with an exception, where it is none. */
static Entry *lent_to(Regular *table, const char *key, Py_ssize_t size, uint32_t *at, int *side) {
    if (size != 12 && size != LONGEST_KEY)
        return NULL;
    *side = table_find(table, (const unsigned char *)key, size, at);
    return *side && table->entries[*at].lent ? &table->entries[*at] : NULL;
}

PyObject *followed_recover(PyObject *self, PyObject *argument) {
    Regular *table = (Regular *)self;
    char *key;
    Py_ssize_t size;
    uint32_t at;
    int side;
    if (PyBytes_AsStringAndSize(argument, &key, &size) < 0)
        return NULL;
    Entry *entry = lent_to(table, key, size, &at, &side);
    if (entry == NULL)
        Py_RETURN_NONE;
    PyObject *waiting = entry->run != NULL && entry->run->count ? run_given(table, entry) : Py_NewRef(Py_None);
    if (waiting == NULL)
        return NULL;
    PyObject *state = Py_BuildValue("kkN", (unsigned long)entry->next_bytes[0], (unsigned long)entry->next_bytes[1], waiting);
    table_remove(table, at);
    return state;
}

PyObject *followed_expect(PyObject *self, PyObject *arguments) {
    Regular *table = (Regular *)self;
    const char *key, *tail;
    Py_ssize_t size, tail_size;
    long long left;
    uint32_t at;
    int side;
    if (!PyArg_ParseTuple(arguments, "y#Lz#", &key, &size, &left, &tail, &tail_size))
        return NULL;
    Entry *entry = lent_to(table, key, size, &at, &side);
    if (entry == NULL || (entry->run == NULL && left <= 0))
        Py_RETURN_NONE;
    if (entry->run == NULL && (entry->run = PyMem_Calloc(1, sizeof *entry->run)) == NULL)
        return PyErr_NoMemory();
    Run *run = entry->run;
    if (run->count && run->side == side)
        left = 0; /* never: what waited went on before Python could say this */
    run->left[side - 1] = left > 0 ? left : 0;
    run->head[side - 1] = tail != NULL;
    memset(run->tail[side - 1], 0, 2);
    if (tail != NULL && tail_size > 0)
        run->tail[side - 1][1] = (unsigned char)tail[tail_size - 1];
    if (tail != NULL && tail_size > 1)
        run->tail[side - 1][0] = (unsigned char)tail[tail_size - 2];
    Py_RETURN_NONE;
}

PyObject *followed_hurry(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ((Regular *)self)->hurried = 0;
    Py_RETURN_NONE;
}
