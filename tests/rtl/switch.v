// A switch where FLOWS meet on one link: each flow has a producer, its own consumer, and credits between these two.
//
// A token has PACKETS packets and crosses the link in as many cycles, undivided. Tokens are sent in order of arrival;
// those that arrive in one cycle in the order of the flows, beginning after the flow of the token queued last.
module top;
    parameter FLOWS = 2, COUNT = 100, PACKETS = 1, FIRST = 9, AFTER = 1, CREDIT = 2, SLOTS = 26;
    parameter PACE_0 = 1, PACE_1 = 1, EAT_0 = 1, EAT_1 = 1, DEPTH = 4096;
    reg clk = 0;
    wire [FLOWS-1:0] push, pop, done;
    reg [FLOWS-1:0] shown = 0;

    // From a push to the switch: FIRST cycles; behind the link AFTER cycles to the consumer's FIFO.
    reg [FLOWS-1:0] coming [0:FIRST-1];
    integer waiting [0:DEPTH-1], leaving [0:FLOWS*DEPTH-1];
    integer head = 0, size = 0, sent = 0, last = -1, now = 0, f, k, n;
    integer ready_head [0:FLOWS-1], ready_tail [0:FLOWS-1];
    reg [FLOWS-1:0] arriving;
    initial begin
        for (k = 0; k < FIRST; k = k + 1) coming[k] = 0;
        for (f = 0; f < FLOWS; f = f + 1) begin ready_head[f] = 0; ready_tail[f] = 0; end
    end

    genvar g;
    generate
        for (g = 0; g < FLOWS; g = g + 1) begin : flow
            integer credits = SLOTS;
            reg [CREDIT:1] back = 0;
            wire signed [31:0] cycle = leaving[g*DEPTH + ready_head[g]];
            wire there = ready_head[g] < ready_tail[g] && cycle <= now;
            account #(COUNT, PACKETS > (g ? PACE_1 : PACE_0) ? PACKETS : (g ? PACE_1 : PACE_0)) produce(
                clk, 1'b1, credits > 0, push[g], );
            account #(COUNT, PACKETS > (g ? EAT_1 : EAT_0) ? PACKETS : (g ? EAT_1 : EAT_0)) consume(
                clk, there, 1'b1, pop[g], done[g]);
            always @(posedge clk) begin
                back <= {back, pop[g]};
                credits <= credits - push[g] + (CREDIT == 1 ? pop[g] : back[CREDIT-1]);
                if (done[g] && !shown[g]) begin
                    shown[g] <= 1;
                    $display("produce%0d %0d %0d %0d", g, produce.firings, produce.starved, produce.blocked);
                    $display("consume%0d %0d %0d %0d", g, consume.firings, consume.starved, consume.blocked);
                    $display("last%0d %0d", g, consume.last);
                end
            end
        end
    endgenerate

    always @(posedge clk) begin
        // What was pushed in cycle t is at the switch in cycle t + FIRST, which begins now.
        arriving = FIRST == 1 ? push : coming[FIRST-1];
        for (k = FIRST - 1; k > 1; k = k - 1) coming[k] = coming[k-1];
        coming[1] = push;
        now <= now + 1;
        n = last;
        for (k = 1; k <= FLOWS; k = k + 1) begin
            f = (n + k) % FLOWS;
            if (arriving[f]) begin
                waiting[(head + size) % DEPTH] = f;
                size = size + 1;
                last = f;
            end
        end
        for (f = 0; f < FLOWS; f = f + 1) if (pop[f]) ready_head[f] <= ready_head[f] + 1;
        if (size > 0) begin
            sent = sent + 1;  // the link carries a packet of the head in this cycle
            if (sent == PACKETS) begin
                f = waiting[head];
                leaving[f*DEPTH + ready_tail[f]] <= now + 2 + AFTER;
                ready_tail[f] <= ready_tail[f] + 1;
                head = (head + 1) % DEPTH;
                size = size - 1;
                sent = 0;
            end
        end
    end
    always #1 clk = !clk;
    always @(posedge clk) if (&shown) $finish;
endmodule
