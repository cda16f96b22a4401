/* The tight pass's longest stride, compiled: records that the loop in skim.py would step over as well, one after another.
 *
 * An option. Where no compiler was at hand skim.py does the same alone, three times as slow, and the report is the same:
 * tests/capture/test_stride.py holds the two against each other. Whatever is not plain, or might matter, is left to skim.py.
 * Every byte is read only after it was found to lie within the record, and the record within what has been read of the file.
 */

#include "_stride.h"

#include <stdlib.h>

enum { TCP = 6, UDP = 17, DOMAIN = 53, ENHANCED_PACKET = 6, VLAN = 0x8100, IPV4 = 0x0800, IPV6 = 0x86DD };
enum { RESERVED = 0x0E };

/* What the records of one interface look like: struct Record of skim.py, and its link header. */
typedef struct {
    int big_endian, block;      /* block: pcapng's enhanced packet block */
    Py_ssize_t header;          /* of a record */
    uint64_t unit;              /* of a time's upper half */
    unsigned char interface[4]; /* of a block, as it stands there */
    unsigned char comment[2];   /* how the option of a comment begins */
    int ethertype, link;        /* where the link header has its EtherType (-1: nowhere), and its length */
    int vlan;                   /* whether one tag may stand there */
    Py_ssize_t usual, most;     /* bytes captured of a UDP datagram, of any packet; skim.py's limits */
    int64_t multiply, offset;   /* nanoseconds of a time are ``ticks * multiply + offset``, */
    uint64_t latest;            /* up to these ticks; 0 where they are not */
    PyObject *tame, *regular;   /* regular: a Regular, NULL where the sieve has none */
    PyObject *starts_owner;
    const unsigned char *starts; /* the first four bytes that an HTTP message may begin with, in order, */
    Py_ssize_t starts_count;     /* so many times four bytes */
    unsigned char initial[256]; /* the first of them */
    unsigned char tunnel[65536 / 8];
} Form;

static const char NAME[] = "scep_analyzer.capture._stride.form";

static uint32_t number(const Form *form, const unsigned char *at) {
    return form->big_endian ? big32(at)
                            : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* A packet's IP header and what follows it: ``room`` bytes, ``length`` by the header, which is ``size`` of them. The addresses
 * and ports, which follow one another, are the key of a connection's direction. */
typedef struct {
    const unsigned char *ip;
    Py_ssize_t room, size, length, key, key_size;
    int known_length, protocol, hops, ident;
} Packet;

static int is_domain(const Packet *packet) {
    return big16(packet->ip + packet->size) == DOMAIN || big16(packet->ip + packet->size + 2) == DOMAIN;
}

/* Whether these four bytes may begin an HTTP message. */
static int begins_message(const Form *form, const unsigned char *bytes) {
    uint32_t start = big32(bytes);
    Py_ssize_t low = 0, high = form->initial[bytes[0]] ? form->starts_count : 0;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (big32(form->starts + 4 * middle) < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < form->starts_count && big32(form->starts + 4 * low) == start;
}

/* Whether a segment that opens or closes no connection matters; its bytes begin at ``first``. ``tame`` as Flows.tame says. */
static Fate look_at(const Form *form, const Packet *packet, Py_ssize_t first, int tame) {
    if (tame < 0)
        return TAKEN;
    if (tame && first < packet->room && !form->initial[packet->ip[first]])
        return STEPPED_OVER; /* what stands there begins no HTTP message, be it padding */
    if (packet->length == first)
        return STEPPED_OVER;
    if (!tame || packet->length > packet->room || packet->length - first < LEAST_START)
        return TAKEN;
    return begins_message(form, packet->ip + first) ? TAKEN : STEPPED_OVER;
}

/* What Flows.tame says of a direction: -1 nothing, 0 False, 1 True; -2 with an exception. */
static int tame_of(const Form *form, const Packet *packet) {
    PyObject *key = PyBytes_FromStringAndSize((const char *)packet->ip + packet->key, packet->key_size);
    if (key == NULL)
        return -2;
    PyObject *tame = PyDict_GetItemWithError(form->tame, key);
    Py_DECREF(key);
    return tame == NULL ? (PyErr_Occurred() ? -2 : -1) : tame == Py_True;
}

/* A record's place and time. */
typedef struct {
    uint64_t frame, ticks;
} When;

/* ``*fields`` is what skim.py makes a Segment of, where it is to be taken. */
static Fate look_at_tcp(const Form *form, const Packet *packet, When when, PyObject **fields) {
    const unsigned char *tcp = packet->ip + packet->size;
    Py_ssize_t first, left, cut = 0;
    if (packet->room < packet->size + 20)
        return LEFT;
    first = packet->size + (tcp[12] >> 4) * 4;
    left = packet->room - first;
    if (first < packet->size + 20 || left < 0)
        return LEFT;
    Regular *regular = (Regular *)form->regular;
    uint32_t entry = 0;
    int side = regular != NULL ? table_find(regular, packet->ip + packet->key, packet->key_size, &entry) : 0;
    int lent = side && regular->entries[entry].lent;
    if (!(lent || tcp[13] & (FIN | SYN | RST) || tcp[12] & RESERVED)) {
        int tame = side ? regular_tame(regular, entry, side) : tame_of(form, packet);
        if (tame == -2)
            return FAILED;
        if (look_at(form, packet, first, tame) == STEPPED_OVER)
            return STEPPED_OVER;
    }
    if (packet->known_length) {
        Py_ssize_t beyond = packet->length - packet->room;
        if (beyond > 0)
            cut = beyond;
        else
            left += beyond;
    }
    if (left < 0 || (left && is_domain(packet)))
        return LEFT;
    if (regular != NULL && (side || tcp[13] & SYN)) {
        const Piece piece = {.key = packet->ip + packet->key,
                             .key_size = packet->key_size,
                             .payload = packet->ip + first,
                             .size = left,
                             .cut = cut,
                             .frame = when.frame,
                             .time_ns = when.ticks <= form->latest ? (int64_t)when.ticks * form->multiply + form->offset : 0,
                             .timed = form->latest && when.ticks <= form->latest,
                             .sequence = big32(tcp + 4),
                             .acknowledgment = big32(tcp + 8),
                             .flags = tcp[13],
                             .hops = packet->hops,
                             .ident = packet->ident,
                             .window = big16(tcp + 14),
                             .begins = left >= LEAST_START && begins_message(form, packet->ip + first)};
        Fate fate = lent   ? followed_goes_on(regular, entry, side, &piece, fields)
                    : side ? regular_goes_on(regular, entry, side, &piece)
                           : regular_opens(regular, &piece);
        if (fate != TAKEN)
            return fate;
    }
    *fields = Py_BuildValue("y#kkiy#niiii", (const char *)packet->ip + packet->key, packet->key_size,
                            (unsigned long)big32(tcp + 4), (unsigned long)big32(tcp + 8), tcp[13],
                            (const char *)packet->ip + first, left, cut, -1, packet->hops, packet->ident, big16(tcp + 14));
    return *fields == NULL ? FAILED : TAKEN;
}

static Fate look_at_packet(const Form *form, const unsigned char *bytes, Py_ssize_t captured, When when, PyObject **fields) {
    Py_ssize_t link = form->link;
    int type = 0;
    if (form->ethertype >= 0) {
        if (captured < link + 4)
            return LEFT;
        type = big16(bytes + form->ethertype);
        if (form->vlan && type == VLAN) {
            type = big16(bytes + form->ethertype + 4);
            link += 4;
        }
    }
    Packet packet = {.ip = bytes + link, .room = captured - link};
    const unsigned char *ip = packet.ip;
    if (packet.room < 40)
        return LEFT; /* IPv6's header, or those of IPv4 and TCP */
    if (ip[0] == 0x45 && (type == IPV4 || form->ethertype < 0)) {
        if (ip[6] & 0xBF || ip[7])
            return LEFT; /* a fragment */
        packet.size = 20, packet.key = 12, packet.key_size = 12, packet.length = big16(ip + 2);
        packet.known_length = packet.length != 0;
        packet.protocol = ip[9], packet.hops = ip[8], packet.ident = big16(ip + 4);
    } else if (ip[0] >> 4 == 6 && (type == IPV6 || form->ethertype < 0)) {
        packet.size = 40, packet.key = 8, packet.key_size = 36, packet.length = big16(ip + 4) + 40;
        packet.known_length = packet.length != 40;
        packet.protocol = ip[6], packet.hops = ip[7];
    } else
        return LEFT;
    if (packet.protocol == TCP)
        return look_at_tcp(form, &packet, when, fields);
    if (packet.protocol != UDP || packet.room < packet.size + 4 || captured > form->usual || is_domain(&packet))
        return LEFT;
    int to = big16(ip + packet.size + 2);
    return form->tunnel[to >> 3] >> (to & 7) & 1 ? LEFT : STEPPED_OVER;
}

static void release(PyObject *capsule) {
    Form *form = PyCapsule_GetPointer(capsule, NAME);
    if (form != NULL) {
        Py_XDECREF(form->tame);
        Py_XDECREF(form->regular);
        Py_XDECREF(form->starts_owner);
        PyMem_Free(form);
    }
}

static PyObject *form_of(PyObject *module, PyObject *arguments) {
    (void)module;
    Form *form = PyMem_Calloc(1, sizeof *form);
    if (form == NULL)
        return PyErr_NoMemory();
    const char *interface, *comment, *tunnels;
    Py_ssize_t interface_size, comment_size, tunnels_size;
    unsigned long long unit;
    long long multiply, offset;
    PyObject *tame, *starts, *regular, *capsule;
    if (!PyArg_ParseTuple(arguments, "pnKLLy#y#iipnnO!O!Oy#", &form->big_endian, &form->header, &unit, &multiply, &offset,
                          &interface, &interface_size, &comment, &comment_size, &form->ethertype, &form->link, &form->vlan,
                          &form->usual, &form->most, &PyDict_Type, &tame, &PyBytes_Type, &starts, &regular, &tunnels,
                          &tunnels_size) ||
        (regular != Py_None && table_from(regular) == NULL) || (capsule = PyCapsule_New(form, NAME, release)) == NULL) {
        PyMem_Free(form);
        return NULL;
    }
    form->tame = Py_NewRef(tame);
    form->regular = regular == Py_None ? NULL : Py_NewRef(regular);
    form->starts_owner = Py_NewRef(starts);
    form->starts = (const unsigned char *)PyBytes_AsString(starts);
    form->starts_count = PyBytes_Size(starts) / 4;
    if (multiply > 0 && offset >= 0)
        form->multiply = multiply, form->offset = offset, form->latest = (uint64_t)((INT64_MAX - offset) / multiply);
    form->unit = unit;
    form->block = interface_size == 4 && comment_size == 2;
    if (form->block) {
        memcpy(form->interface, interface, 4);
        memcpy(form->comment, comment, 2);
    }
    if (form->header < (form->block ? 28 : 16) || form->link < 0 || form->ethertype < -1 ||
        (form->ethertype >= 0 && form->ethertype > form->link - 2)) {
        Py_DECREF(capsule);
        PyErr_SetString(PyExc_ValueError, "no such form");
        return NULL;
    }
    for (Py_ssize_t each = 0; each < form->starts_count; each++)
        form->initial[form->starts[4 * each]] = 1;
    for (Py_ssize_t at = 0; at + 1 < tunnels_size; at += 2) {
        int port = big16((const unsigned char *)tunnels + at);
        form->tunnel[port >> 3] |= (unsigned char)(1 << (port & 7));
    }
    return capsule;
}

static PyObject *over(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *capsule;
    Py_buffer buffer;
    Py_ssize_t at, reach, stop, count = 0;
    unsigned long long frame;
    if (!PyArg_ParseTuple(arguments, "Oy*nnnK", &capsule, &buffer, &at, &reach, &stop, &frame))
        return NULL;
    const Form *form = PyCapsule_GetPointer(capsule, NAME);
    uint64_t earliest = UINT64_MAX, latest = 0, ticks = 0;
    Fate fate = form == NULL ? FAILED : STEPPED_OVER;
    PyObject *fields = NULL;
    if (stop > buffer.len)
        stop = buffer.len;
    Regular *regular = form == NULL ? NULL : (Regular *)form->regular;
    if (regular != NULL && regular->hurried != NOWHERE && (fields = followed_hurried(regular)) == NULL && PyErr_Occurred())
        fate = FAILED;
    while (fate == STEPPED_OVER && fields == NULL && at >= 0 && at < reach && stop - at > form->header) {
        const unsigned char *record = (const unsigned char *)buffer.buf + at, *times = record + (form->block ? 12 : 0);
        Py_ssize_t captured = (Py_ssize_t)number(form, times + 8), span = form->header + captured;
        if (captured < 0 || captured > form->most || stop - at < span)
            break;
        if (form->block) {
            Py_ssize_t whole = (Py_ssize_t)number(form, record + 4), options = form->header + ((captured + 3) & ~(Py_ssize_t)3);
            if (number(form, record) != ENHANCED_PACKET || memcmp(record + 8, form->interface, 4) || whole & 3 ||
                whole < options || stop - at < whole)
                break;
            if (whole > options + 4 && !memcmp(record + options, form->comment, 2))
                break;
            span = whole;
        }
        When when = {.frame = frame + (uint64_t)count + 1, .ticks = number(form, times) * form->unit + number(form, times + 4)};
#ifdef COPY_RECORDS /* make fuzz-native: the sanitizers see an access outside of a record only where it is alone in its memory */
        unsigned char *alone = malloc((size_t)captured + !captured);
        if (alone != NULL)
            memcpy(alone, record + form->header, (size_t)captured);
        fate = alone != NULL ? look_at_packet(form, alone, captured, when, &fields) : LEFT;
        free(alone);
#else
        fate = look_at_packet(form, record + form->header, captured, when, &fields);
#endif
        if (fate == LEFT || fate == FAILED || fate == GIVEN_BEFORE)
            break;
        ticks = when.ticks;
        earliest = ticks < earliest ? ticks : earliest;
        latest = ticks > latest ? ticks : latest;
        at += span;
        count++;
    }
    PyBuffer_Release(&buffer);
    if (fate == FAILED)
        return NULL;
    if (fields == NULL)
        fields = Py_NewRef(Py_None);
    return Py_BuildValue("nnKKKN", at, count, (unsigned long long)earliest, (unsigned long long)latest,
                         (unsigned long long)ticks, fields);
}

static PyMethodDef METHODS[] = {
    {"form_of", form_of, METH_VARARGS, "What over() is to know of the records of an interface."},
    {"over", over, METH_VARARGS, "Step over records; gives where, how many, the lowest, the highest and the last of their ticks, and the last one if it matters."},
    {NULL, NULL, 0, NULL},
};

/* What Python and the compiled part agree on; counted up in both (skim.py) when it changes, so that one built before is not used. */
#define CONTRACT 2

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "scep_analyzer.capture._stride", "The compiled part of skim.py.", 0, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__stride(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module != NULL && (table_added(module) < 0 || looks_added(module) < 0 ||
                           PyModule_AddIntConstant(module, "CONTRACT", CONTRACT) < 0))
        Py_CLEAR(module);
    return module;
}
