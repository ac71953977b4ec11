// A stream between two units: pipeline and wire registers, the consumer's FIFO, and credits on the wire back.
//
// A word pushed in cycle t can be popped from cycle t + LATENCY on. A pop in cycle t gives the producer a credit in
// cycle t + CREDIT (0: in the same cycle, inside a unit). The producer starts with a credit for each of SLOTS places,
// INITIAL of which are filled when the clock starts.
module stream #(
    parameter WIDTH = 1, LATENCY = 1, CREDIT = 1, SLOTS = 2, INITIAL = 0
) (
    input clk,
    input push, input [WIDTH-1:0] in, output ready,
    output valid, output [WIDTH-1:0] out, input pop
);
    // Registers on the way: the last one is the FIFO's memory itself.
    reg [LATENCY:1] moving = 0;
    reg [WIDTH-1:0] word [LATENCY:1];
    reg [CREDIT:0] returning = 0;

    reg [WIDTH-1:0] fifo [0:SLOTS-1];
    integer head = 0, tail = INITIAL % SLOTS, held = INITIAL, credits = SLOTS - INITIAL;

    wire arrives = LATENCY == 1 ? push : moving[LATENCY-1];
    wire [WIDTH-1:0] arriving = LATENCY == 1 ? in : word[LATENCY-1];
    wire returns = CREDIT == 0 ? 1'b0 : CREDIT == 1 ? pop : returning[CREDIT-1];

    assign valid = held > 0;
    assign out = fifo[head];
    assign ready = credits > 0 || (CREDIT == 0 && pop);

    integer i;
    always @(posedge clk) begin
        for (i = LATENCY; i > 1; i = i - 1) begin
            moving[i] <= moving[i-1];
            word[i] <= word[i-1];
        end
        moving[1] <= push;
        word[1] <= in;
        for (i = CREDIT; i > 1; i = i - 1) returning[i] <= returning[i-1];
        returning[1 < CREDIT ? 1 : CREDIT] <= pop;

        if (arrives) begin
            fifo[tail] <= arriving;
            tail <= (tail + 1) % SLOTS;
        end
        if (pop) head <= (head + 1) % SLOTS;
        held <= held + arrives - pop;
        credits <= credits - push + (CREDIT == 0 ? pop : returns);
        if (held > SLOTS || (pop && held == 0)) begin
            $display("error: a FIFO of %0d places holds %0d", SLOTS, held);
            $fatal;
        end
    end
endmodule

// What a unit that fires once a cycle does with its cycles, until it has fired COUNT times.
module account #(parameter COUNT = 1, INTERVAL = 1) (
    input clk, input fed, input room, output fires, output reg done
);
    integer firings = 0, starved = 0, blocked = 0, busy = 0, first = -1, last = -1, now = 0;
    initial done = 0;
    assign fires = !done && busy == 0 && fed && room;
    always @(posedge clk) begin
        now <= now + 1;
        if (fires) begin
            if (firings == 0) first <= now;
            last <= now;
            firings <= firings + 1;
            done <= firings + 1 == COUNT;
            busy <= INTERVAL - 1;
        end else if (busy > 0) busy <= busy - 1;
        else if (!done && !fed) starved <= starved + 1;
        else if (!done) blocked <= blocked + 1;
    end
endmodule
