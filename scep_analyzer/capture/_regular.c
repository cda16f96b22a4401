/* Connections that are not followed, as long as their course is regular: what Flows of sieve/flows.py would do with their segments.
 *
 * Regular is: a SYN, its SYN-ACK, bytes that begin no HTTP message, or requests in one segment each that are certainly not SCEP's with
 * their responses, a FIN, an RST. All else makes Python take the connection over (``release``), with the state that is kept here, and
 * nothing here has changed then. It counts as Flows counts: ``counts`` is shared, and both generations of connections are kept.
 *
 * Bounded by Flows' limit of directions (24,000 young ones, as many old ones: 48,000 connections of 232 bytes at the most), and by
 * ``held_bytes`` for requests without a response.
 */

#include "_stride.h"

#include <limits.h>

enum { CLIENT = 1, SERVER = 2, BOTH = 3 };
enum { NUMBERS, REQUESTS, HELD, YOUNG, COUNTS };
enum { NOWHERE = UINT32_MAX, FIRST_ROOM = 256, LONGEST_CHAIN = 32 };

/* What a Segment holds that is kept. */
typedef struct {
    uint64_t frame;
    int64_t time_ns;
    uint32_t sequence, acknowledgment;
    int32_t flags, window;
    int32_t hops, ident;
} Header;

/* A connection, as Flow of sieve/flow.py. The arrays have the client's value first. */
typedef struct {
    unsigned char key[LONGEST_KEY]; /* of the client's direction */
    uint8_t key_size;
    uint8_t young, old; /* the directions that have come by in this generation, and in the one before */
    uint8_t known;      /* the directions whose first sequence number is known */
    uint8_t fresh, past_known, asker;
    uint8_t tamed, established, ended, heard, asked, answer_known, openings;
    uint32_t following; /* in the chain of its hash, or in that of free entries */
    uint32_t next, answer_at, past[2];
    int64_t first[2], number;
    Header opening[2], request;
    unsigned char *request_bytes;
    Py_ssize_t request_size;
} Entry;

struct Regular {
    PyObject_HEAD
    Entry *entries;
    uint32_t room, used, unused; /* of entries: allocated, ever used, the first free one */
    uint32_t *heads, mask;       /* of the chains */
    uint64_t seed;
    PyObject *young, *old, *met_tls, *pass; /* Flows' tables, and what it is told */
    Py_buffer counts;
    int64_t most_young, most_held;
    Marks marks;
};

static PyTypeObject *regular_type;

static int64_t *count_of(const Regular *table, int which) { return (int64_t *)table->counts.buf + which; }

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t word) { /* the finalizer of splitmix64 */
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

static uint64_t end_hash(uint64_t seed, const unsigned char *address, Py_ssize_t size, const unsigned char *port) {
    uint64_t hash = mixed(seed ^ big16(port));
    for (Py_ssize_t at = 0; at < size; at += 4)
        hash = mixed(hash ^ big32(address + at));
    return hash;
}

/* The same for both directions. Whoever does not know the seed can aim at no chain, and chains are bounded. */
static uint32_t chain_of(const Regular *table, const unsigned char *key, Py_ssize_t size) {
    Py_ssize_t half = (size - 4) / 2;
    uint64_t hash = end_hash(table->seed, key, half, key + 2 * half) + end_hash(table->seed, key + half, half, key + 2 * half + 2);
    return (uint32_t)(hash >> 16) & table->mask;
}

static void reversed(const unsigned char *key, Py_ssize_t size, unsigned char *other) {
    Py_ssize_t half = (size - 4) / 2;
    memcpy(other, key + half, (size_t)half);
    memcpy(other + half, key, (size_t)half);
    memcpy(other + 2 * half, key + 2 * half + 2, 2);
    memcpy(other + 2 * half + 2, key + 2 * half, 2);
}

/* Which direction of a connection a key is; 0 where it is another one's. */
static int side_of(const Entry *entry, const unsigned char *key, Py_ssize_t size) {
    Py_ssize_t half = (size - 4) / 2;
    if (entry->key_size != size)
        return 0;
    if (!memcmp(entry->key, key, (size_t)size))
        return CLIENT;
    return !memcmp(entry->key, key + half, (size_t)half) && !memcmp(entry->key + half, key, (size_t)half) &&
                   !memcmp(entry->key + 2 * half, key + 2 * half + 2, 2) &&
                   !memcmp(entry->key + 2 * half + 2, key + 2 * half, 2)
               ? SERVER
               : 0;
}

/* Gives the side, 0 where the connection is not in the table's care. */
int regular_find(const Regular *table, const unsigned char *key, Py_ssize_t key_size, uint32_t *entry) {
    uint32_t at = table->heads == NULL ? NOWHERE : table->heads[chain_of(table, key, key_size)];
    for (; at != NOWHERE; at = table->entries[at].following) {
        int side = side_of(&table->entries[at], key, key_size);
        if (side) {
            *entry = at;
            return side;
        }
    }
    return 0;
}

/* Room for one more entry: the arrays are doubled, and all chains made again. */
static int grown(Regular *table) {
    uint32_t room = table->room ? table->room * 2 : FIRST_ROOM;
    Entry *entries = PyMem_Realloc(table->entries, room * sizeof *entries);
    if (entries == NULL)
        return -1;
    table->entries = entries;
    uint32_t *heads = PyMem_Malloc(2 * (size_t)room * sizeof *heads);
    if (heads == NULL)
        return -1;
    PyMem_Free(table->heads);
    table->heads = heads, table->room = room, table->mask = 2 * room - 1;
    for (uint32_t at = 0; at <= table->mask; at++)
        heads[at] = NOWHERE;
    for (uint32_t at = 0; at < table->used; at++) /* all are in use: this one is called where none is free */
    {
        uint32_t chain = chain_of(table, entries[at].key, entries[at].key_size);
        entries[at].following = heads[chain];
        heads[chain] = at;
    }
    return 0;
}

/* A new entry in the chain of its key; NULL where there is no room for it. */
static Entry *added(Regular *table, const unsigned char *key, Py_ssize_t size) {
    if (table->unused == NOWHERE && table->used == table->room && grown(table) < 0)
        return NULL;
    uint32_t chain = chain_of(table, key, size), length = 0, at;
    for (at = table->heads[chain]; at != NOWHERE; at = table->entries[at].following)
        if (++length >= LONGEST_CHAIN)
            return NULL;
    if (table->unused != NOWHERE) {
        at = table->unused;
        table->unused = table->entries[at].following;
    } else
        at = table->used++;
    Entry *entry = &table->entries[at];
    memset(entry, 0, sizeof *entry);
    memcpy(entry->key, key, (size_t)size);
    entry->key_size = (uint8_t)size;
    entry->following = table->heads[chain];
    table->heads[chain] = at;
    return entry;
}

static void removed(Regular *table, uint32_t gone) {
    Entry *entry = &table->entries[gone];
    uint32_t *at = &table->heads[chain_of(table, entry->key, entry->key_size)];
    while (*at != gone)
        at = &table->entries[*at].following;
    *at = entry->following;
    *count_of(table, YOUNG) -= (entry->young & 1) + (entry->young >> 1);
    PyMem_Free(entry->request_bytes);
    entry->request_bytes = NULL;
    entry->key_size = 0;
    entry->following = table->unused;
    table->unused = gone;
}

static void emptied(Regular *table) {
    for (uint32_t at = 0; at < table->used; at++)
        PyMem_Free(table->entries[at].request_bytes);
    PyMem_Free(table->entries);
    PyMem_Free(table->heads);
    table->entries = NULL, table->heads = NULL;
    table->room = table->used = table->mask = 0;
    table->unused = NOWHERE;
    if (table->counts.buf != NULL)
        *count_of(table, YOUNG) = 0;
}

/* ---- the course of a connection -------------------------------------------------------------------------------------------- */

/* How far a sequence number lies behind another; negative where before. */
static int64_t distance(uint32_t sequence, uint32_t other) { return (int32_t)(sequence - other); }

static Header header_of(const Piece *piece) {
    return (Header){.frame = piece->frame,
                    .time_ns = piece->time_ns,
                    .sequence = piece->sequence,
                    .acknowledgment = piece->acknowledgment,
                    .flags = piece->flags,
                    .window = piece->window,
                    .hops = piece->hops,
                    .ident = piece->ident};
}

/* Whether one more direction may become young before Flows makes the generation old. */
static int has_room(const Regular *table) {
    return *count_of(table, YOUNG) + PyDict_Size(table->young) < table->most_young;
}

/* What skim.py's ``tame`` would say of a direction: -1 nothing, 0 False, 1 True. */
int regular_tame(const Regular *table, uint32_t at, int side) {
    const Entry *entry = &table->entries[at];
    if (!entry->tamed || !(entry->known & side))
        return -1;
    return entry->asker ? !(entry->asker == side || entry->asked) : !(entry->fresh & side);
}

/* A SYN of a connection that nobody knows. */
Fate regular_opens(Regular *table, const Piece *piece) {
    unsigned char other[LONGEST_KEY];
    if ((piece->flags & (FIN | SYN | RST | ACK)) != SYN || piece->size || piece->cut || !piece->timed || !has_room(table))
        return TAKEN;
    reversed(piece->key, piece->key_size, other);
    if (!memcmp(piece->key, other, (size_t)piece->key_size))
        return TAKEN; /* to itself */
    PyObject *tables[] = {table->young, table->old};
    const unsigned char *keys[] = {piece->key, other};
    for (int each = 0; each < 4; each++) {
        PyObject *key = PyBytes_FromStringAndSize((const char *)keys[each & 1], piece->key_size);
        if (key == NULL)
            return FAILED;
        PyObject *found = PyDict_GetItemWithError(tables[each >> 1], key);
        Py_DECREF(key);
        if (found != NULL || PyErr_Occurred())
            return found != NULL ? TAKEN : FAILED;
    }
    Entry *entry = added(table, piece->key, piece->key_size);
    if (entry == NULL)
        return TAKEN;
    entry->number = (*count_of(table, NUMBERS))++;
    entry->fresh = BOTH;
    entry->known = entry->young = CLIENT;
    entry->tamed = 1;
    entry->first[0] = piece->sequence;
    entry->opening[0] = header_of(piece);
    entry->openings = 1;
    (*count_of(table, YOUNG))++;
    return STEPPED_OVER;
}

/* A segment has changed nothing but this: its direction has come by. */
static Fate came_by(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!(entry->young & side)) {
        entry->young |= (uint8_t)side;
        (*count_of(table, YOUNG))++;
    }
    if (!(entry->known & side)) {
        entry->known |= (uint8_t)side;
        entry->first[side - 1] = (int64_t)piece->sequence - !(piece->flags & SYN);
    }
    entry->tamed = 1;
    entry->established |= piece->size || (piece->flags & (SYN | ACK)) == (SYN | ACK);
    entry->ended |= (piece->flags & (FIN | RST)) != 0;
    return STEPPED_OVER;
}

/* The same of one with bytes: what the report says of all connections is counted. */
static Fate spoke(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!entry->heard && piece->size > 1 && piece->payload[0] == 0x16 && piece->payload[1] == 0x03) {
        PyObject *given = PyObject_CallFunction(table->met_tls, "y#K", (const char *)entry->key, (Py_ssize_t)entry->key_size,
                                                (unsigned long long)piece->frame);
        if (given == NULL)
            return FAILED;
        Py_DECREF(given);
    }
    if (piece->begins && begins_request(&table->marks, piece->payload, piece->size) == 1)
        (*count_of(table, REQUESTS))++;
    entry->heard = 1;
    return came_by(table, entry, side, piece);
}

/* Bytes of the side that asks, ``next`` being where its next bytes belong. */
static Fate asks(Regular *table, Entry *entry, int side, uint32_t next, const Piece *piece) {
    int64_t ahead = distance(piece->sequence, next);
    Py_ssize_t whole, target_size;
    const unsigned char *target;
    if (ahead < 0 && ahead + piece->size <= 0)
        return spoke(table, entry, side, piece); /* sent again, or the body of a request that was judged by its head */
    if (ahead || entry->asked || !piece->timed || *count_of(table, HELD) + piece->size > table->most_held)
        return TAKEN;
    if (begins_request(&table->marks, piece->payload, piece->size) != 1 || ((piece->payload[0] | 0x20) == 'c' && (piece->payload[1] | 0x20) == 'o' && (piece->payload[2] | 0x20) == 'n'))
        return TAKEN; /* the response to CONNECT tells more */
    if (!other_request(&table->marks, piece->payload, piece->size, &whole, &target, &target_size))
        return TAKEN;
    unsigned char *bytes = PyMem_Malloc((size_t)piece->size);
    if (bytes == NULL)
        return TAKEN;
    PyObject *passes = PyObject_CallFunction(table->pass, "y#y#", (const char *)piece->key, piece->key_size,
                                             (const char *)target, target_size);
    int passed = passes == NULL ? -1 : PyObject_IsTrue(passes);
    Py_XDECREF(passes);
    if (passed <= 0) {
        PyMem_Free(bytes);
        return passed ? FAILED : TAKEN;
    }
    memcpy(bytes, piece->payload, (size_t)piece->size);
    entry->request_bytes = bytes, entry->request_size = piece->size;
    entry->request = header_of(piece);
    *count_of(table, HELD) += piece->size;
    entry->asker = (uint8_t)side, entry->fresh = 0, entry->asked = 1;
    entry->next = piece->sequence + (uint32_t)whole;
    entry->answer_known = (piece->flags & ACK) != 0, entry->answer_at = piece->acknowledgment;
    return spoke(table, entry, side, piece);
}

/* Bytes of the side that answers. */
static Fate answers(Regular *table, Entry *entry, int side, const Piece *piece) {
    if (!entry->asked) /* the body of a response that was judged by its head, if it begins no message */
        return piece->begins || piece->size < LEAST_START ? TAKEN : spoke(table, entry, side, piece);
    int64_t ahead = entry->answer_known ? distance(piece->sequence, entry->answer_at) : 0;
    if (ahead < 0 && ahead + piece->size <= 0)
        return spoke(table, entry, side, piece);
    if (ahead || !other_response(&table->marks, piece->payload, piece->size))
        return TAKEN;
    PyMem_Free(entry->request_bytes);
    entry->request_bytes = NULL, entry->request_size = 0;
    entry->asked = entry->answer_known = 0;
    entry->past_known |= (uint8_t)side;
    entry->past[side - 1] = piece->sequence + (uint32_t)piece->size;
    return spoke(table, entry, side, piece);
}

/* A segment of a connection in the table's care; TAKEN where it is not regular, and Python is to take the connection over. */
Fate regular_goes_on(Regular *table, uint32_t at, int side, const Piece *piece) {
    Entry *entry = &table->entries[at];
    if (piece->cut || (!(entry->young & side) && !has_room(table)))
        return TAKEN;
    if (piece->flags & SYN) {
        if ((piece->flags & (FIN | SYN | RST | ACK)) != (SYN | ACK) || piece->size || side != SERVER || entry->openings != 1 ||
            entry->known & SERVER || !piece->timed)
            return TAKEN;
        entry->opening[1] = header_of(piece);
        entry->openings = 2;
        return came_by(table, entry, side, piece);
    }
    if (piece->flags & RST && (piece->size || !entry->established))
        return TAKEN;
    if (!piece->size)
        return came_by(table, entry, side, piece);
    if (entry->past_known & side && distance(piece->sequence, entry->past[side - 1]) + piece->size <= 0)
        return spoke(table, entry, side, piece); /* it comes again */
    if (entry->asker)
        return entry->asker == side ? asks(table, entry, side, entry->next, piece) : answers(table, entry, side, piece);
    if (entry->fresh & side && entry->openings >= side) {
        int64_t place = distance(piece->sequence, entry->opening[side - 1].sequence + 1);
        if (place)
            return place > 0 ? TAKEN : spoke(table, entry, side, piece); /* a keep-alive probe before the first byte */
    }
    if (piece->size < LEAST_START)
        return TAKEN;
    if (piece->begins)
        return asks(table, entry, side, piece->sequence, piece);
    entry->fresh &= (uint8_t)~side;
    return spoke(table, entry, side, piece);
}

/* ---- what Python asks for -------------------------------------------------------------------------------------------------- */

static PyObject *segment_of(const Entry *entry, int side, const Header *header, const unsigned char *bytes, Py_ssize_t size) {
    unsigned char key[LONGEST_KEY];
    if (side == CLIENT)
        memcpy(key, entry->key, entry->key_size);
    else
        reversed(entry->key, entry->key_size, key);
    return Py_BuildValue("KLy#kkiy#iiiii", (unsigned long long)header->frame, (long long)header->time_ns, (const char *)key,
                         (Py_ssize_t)entry->key_size, (unsigned long)header->sequence, (unsigned long)header->acknowledgment,
                         (int)header->flags, bytes == NULL ? "" : (const char *)bytes, size, 0, -1, (int)header->hops,
                         (int)header->ident, (int)header->window);
}

static PyObject *or_none(int known, int64_t value) { return known ? PyLong_FromLongLong(value) : Py_NewRef(Py_None); }

/* Everything that is kept of a connection, which is forgotten here; None where it is not in the table's care. */
static PyObject *release(PyObject *self, PyObject *argument) {
    Regular *table = (Regular *)self;
    char *key;
    Py_ssize_t size;
    uint32_t at;
    if (PyBytes_AsStringAndSize(argument, &key, &size) < 0)
        return NULL;
    if ((size != 12 && size != LONGEST_KEY) || !regular_find(table, (const unsigned char *)key, size, &at))
        Py_RETURN_NONE;
    const Entry *entry = &table->entries[at];
    PyObject *opening = PyTuple_New(entry->openings), *state = NULL;
    for (int each = 0; opening != NULL && each < entry->openings; each++) {
        PyObject *segment = segment_of(entry, each + 1, &entry->opening[each], NULL, 0);
        if (segment == NULL || PyTuple_SetItem(opening, each, segment) < 0)
            Py_CLEAR(opening);
    }
    PyObject *request = entry->asked ? segment_of(entry, entry->asker, &entry->request, entry->request_bytes, entry->request_size)
                                     : Py_NewRef(Py_None);
    if (opening != NULL && request != NULL)
        state = Py_BuildValue("Ly#NNOOOOiikNNNOOiiO", (long long)entry->number, (const char *)entry->key,
                              (Py_ssize_t)entry->key_size, or_none(entry->known & CLIENT, entry->first[0]),
                              or_none(entry->known & SERVER, entry->first[1]), entry->established ? Py_True : Py_False,
                              entry->ended ? Py_True : Py_False, entry->heard ? Py_True : Py_False,
                              entry->asked ? Py_True : Py_False, entry->fresh, entry->asker,
                              (unsigned long)entry->next, or_none(entry->answer_known, entry->answer_at),
                              or_none(entry->past_known & CLIENT, entry->past[0]),
                              or_none(entry->past_known & SERVER, entry->past[1]), opening, request, entry->young, entry->old,
                              entry->tamed ? Py_True : Py_False);
    Py_XDECREF(opening);
    Py_XDECREF(request);
    if (state != NULL)
        removed(table, at);
    return state;
}

/* A generation has gone by: what lay untouched in it is forgotten. Gives how many of those were open. */
static PyObject *age(PyObject *self, PyObject *arguments) {
    Regular *table = (Regular *)self;
    PyObject *young, *old;
    long alive = 0;
    if (!PyArg_ParseTuple(arguments, "O!O!", &PyDict_Type, &young, &PyDict_Type, &old))
        return NULL;
    PyObject *before[] = {table->young, table->old};
    table->young = Py_NewRef(young), table->old = Py_NewRef(old);
    Py_DECREF(before[0]);
    Py_DECREF(before[1]);
    for (uint32_t at = 0; at < table->used; at++) {
        Entry *entry = &table->entries[at];
        if (!entry->key_size)
            continue;
        if (!entry->young) {
            alive += entry->established && !entry->ended;
            removed(table, at);
            continue;
        }
        entry->old = entry->young;
        *count_of(table, YOUNG) -= (entry->young & 1) + (entry->young >> 1);
        entry->young = entry->tamed = 0;
    }
    return PyLong_FromLong(alive);
}

/* The keys of connections whose requests are held. */
static PyObject *holding(PyObject *self, PyObject *ignored) {
    (void)ignored;
    const Regular *table = (Regular *)self;
    PyObject *keys = PyList_New(0);
    for (uint32_t at = 0; keys != NULL && at < table->used; at++) {
        const Entry *entry = &table->entries[at];
        if (!entry->key_size || !entry->asked)
            continue;
        PyObject *key = PyBytes_FromStringAndSize((const char *)entry->key, entry->key_size);
        if (key == NULL || PyList_Append(keys, key) < 0)
            Py_CLEAR(keys);
        Py_XDECREF(key);
    }
    return keys;
}

static PyObject *clear(PyObject *self, PyObject *ignored) {
    (void)ignored;
    emptied((Regular *)self);
    Py_RETURN_NONE;
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
    Regular *table = (Regular *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(table->young);
    Py_VISIT(table->old);
    Py_VISIT(table->met_tls);
    Py_VISIT(table->pass);
    return 0;
}

static int cleared(PyObject *self) {
    Regular *table = (Regular *)self;
    Py_CLEAR(table->met_tls);
    Py_CLEAR(table->pass);
    return 0;
}

static void freed(PyObject *self) {
    Regular *table = (Regular *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    emptied(table);
    cleared(self);
    Py_CLEAR(table->young);
    Py_CLEAR(table->old);
    words_freed(&table->marks.methods), words_freed(&table->marks.hints);
    words_freed(&table->marks.types), words_freed(&table->marks.bodies);
    if (table->counts.obj != NULL)
        PyBuffer_Release(&table->counts);
    freefunc free = PyType_GetSlot(type, Py_tp_free);
    free(self);
    Py_DECREF(type);
}

static PyObject *made(PyTypeObject *type, PyObject *arguments, PyObject *names) {
    PyObject *young, *old, *counts, *met_tls, *pass, *methods, *hints, *types, *bodies;
    long long most_young, most_held;
    unsigned long long seed;
    (void)names;
    if (!PyArg_ParseTuple(arguments, "O!O!OOOLLKOOOO", &PyDict_Type, &young, &PyDict_Type, &old, &counts, &met_tls, &pass,
                          &most_young, &most_held, &seed, &methods, &hints, &types, &bodies))
        return NULL;
    allocfunc allocate = PyType_GetSlot(type, Py_tp_alloc);
    Regular *table = (Regular *)allocate(type, 0);
    if (table == NULL)
        return NULL;
    table->unused = NOWHERE;
    table->seed = seed;
    table->most_young = most_young, table->most_held = most_held;
    table->young = Py_NewRef(young), table->old = Py_NewRef(old);
    table->met_tls = Py_NewRef(met_tls), table->pass = Py_NewRef(pass);
    int failed = PyObject_GetBuffer(counts, &table->counts, PyBUF_WRITABLE) < 0;
    if (!failed && table->counts.len != COUNTS * (Py_ssize_t)sizeof(int64_t)) {
        PyErr_SetString(PyExc_ValueError, "no such counts");
        failed = 1;
    }
    if (failed || words_of(methods, &table->marks.methods) < 0 || words_of(hints, &table->marks.hints) < 0 ||
        words_of(types, &table->marks.types) < 0 || words_of(bodies, &table->marks.bodies) < 0)
        Py_CLEAR(table);
    return (PyObject *)table;
}

static PyMethodDef METHODS[] = {
    {"release", release, METH_O, "Everything that is kept of a key's connection, which is forgotten here; None where there is none."},
    {"age", age, METH_VARARGS, "Make this generation the old one; gives how many open connections are forgotten."},
    {"holding", holding, METH_NOARGS, "The keys of connections whose requests are held."},
    {"clear", clear, METH_NOARGS, "Forget all connections."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, made},           {Py_tp_dealloc, freed}, {Py_tp_traverse, traverse}, {Py_tp_clear, cleared},
    {Py_tp_methods, METHODS},    {Py_tp_doc, "Connections that are not followed and whose course is regular."},
    {0, NULL},
};

static PyType_Spec SPEC = {"scep_analyzer.capture._stride.Regular", sizeof(Regular), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, SLOTS};

int regular_added(PyObject *module) {
    if (regular_type == NULL && (regular_type = (PyTypeObject *)PyType_FromSpec(&SPEC)) == NULL)
        return -1;
    return PyModule_AddType(module, regular_type);
}

/* A Regular, NULL with an exception where it is something else. */
Regular *regular_from(PyObject *object) {
    if (regular_type == NULL || !PyObject_TypeCheck(object, regular_type)) {
        PyErr_SetString(PyExc_TypeError, "no table of regular connections");
        return NULL;
    }
    return (Regular *)object;
}
