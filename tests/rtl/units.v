// The units of the chip. Data are vectors of LANES elements of 16 bits; what they hold is the test's business.

// AGCU, loading: BURSTS bursts of a tensor from address BASE (in bursts), at most OUTSTANDING under way.
module load #(parameter BURSTS = 1, BASE = 0, OUTSTANDING = 128, WIDTH = 512) (
    input clk,
    output ask, output [31:0] address, input there, output take,
    output push, output [WIDTH-1:0] out, input room
);
    reg [WIDTH-1:0] tensor [0:BURSTS-1];
    integer asked = 0, answered = 0;
    account #(BURSTS) request(clk, 1'b1, asked - answered < OUTSTANDING || take, ask, );
    account #(BURSTS) respond(clk, there, room, take, );
    assign address = BASE + asked;
    assign push = take;
    assign out = tensor[answered];
    always @(posedge clk) begin
        if (ask) asked <= asked + 1;
        if (take) answered <= answered + 1;
    end
endmodule

// AGCU, storing: word number n goes to burst (n % ROWS) * COLUMNS + n / ROWS, and an answer comes back for each.
module store #(parameter ROWS = 1, COLUMNS = 1, BASE = 0, OUTSTANDING = 128, WIDTH = 512) (
    input clk,
    input fed, input [WIDTH-1:0] in, output pop,
    output ask, output [31:0] address, input there, output take, output done
);
    localparam BURSTS = ROWS * COLUMNS;
    reg [WIDTH-1:0] tensor [0:BURSTS-1];
    integer asked = 0, answered = 0;
    wire [31:0] place = (asked % ROWS) * COLUMNS + asked / ROWS;
    account #(BURSTS) request(clk, fed, asked - answered < OUTSTANDING || take, ask, );
    account #(BURSTS) acknowledge(clk, there, 1'b1, take, done);
    assign pop = ask;
    assign address = BASE + place;
    always @(posedge clk) begin
        if (ask) begin
            asked <= asked + 1;
            tensor[place] <= in;
        end
        if (take) answered <= answered + 1;
    end
endmodule

// PMU: a scratchpad of DEPTH tiles, written word by word, read READS times each tile word by word.
//
// A tile is SIZE elements, a word of the writer the next LANES of them. Lane l of word (i, j) of the reader, with i below
// OUTER and j below INNER, is element i * I + j * J + l * L.
module pmu #(
    parameter SIZE = 1024, TILES = 1, DEPTH = 2, READS = 1, OUTER = 1, INNER = 32, I = 0, J = 1, L = 32,
    LANES = 32, OUT = 32, WRITE_LATENCY = 7
) (
    input clk,
    input fed, input [LANES*16-1:0] in, output pop,
    output push, output [OUT*16-1:0] out, input room
);
    localparam WORDS = SIZE / LANES, TURN = OUTER * INNER, SLOTS = DEPTH + 2;
    reg [15:0] bank [0:DEPTH*SIZE-1];
    integer wi = 0, wt = 0, ri = 0, rr = 0, rt = 0, l;

    wire free, full, give, written;
    wire write_begins = wi == 0, write_ends = wi == WORDS - 1;
    wire read_begins = ri == 0 && rr == 0, read_ends = ri == TURN - 1 && rr == READS - 1;
    wire credit_room, written_room;
    account #(TILES * WORDS) write(clk, fed && (!write_begins || free), !write_ends || written_room, pop, );
    account #(TILES * TURN * READS) read(clk, !read_begins || full, room && (!read_ends || credit_room), push, );
    stream #(1, 1, 0, SLOTS, DEPTH) credits(clk, push && read_ends, 1'b0, credit_room, free, , pop && write_begins);
    stream #(1, WRITE_LATENCY, 0, SLOTS, 0) tiles(clk, pop && write_ends, 1'b0, written_room, full, , push && read_begins);

    genvar g;
    generate
        for (g = 0; g < OUT; g = g + 1) begin : lanes
            wire [31:0] place = (ri / INNER) * I + (ri % INNER) * J + g * L;
            assign out[g*16 +: 16] = bank[(rt % DEPTH) * SIZE + place];
        end
    endgenerate

    always @(posedge clk) begin
        if (pop) begin
            for (l = 0; l < LANES; l = l + 1) bank[(wt % DEPTH) * SIZE + wi * LANES + l] <= in[l*16 +: 16];
            wi <= write_ends ? 0 : wi + 1;
            if (write_ends) wt <= wt + 1;
        end
        if (push) begin
            ri <= ri == TURN - 1 ? 0 : ri + 1;
            if (ri == TURN - 1) rr <= read_ends ? 0 : rr + 1;
            if (read_ends) rt <= rt + 1;
        end
    end
endmodule

// PCU as a systolic array: LANES x STAGES sums of products over K, skewed by a cycle a stage, two banks of sums.
module systolic #(parameter K = 32, TILES = 1, LANES = 32, STAGES = 8) (
    input clk,
    input a_valid, input [LANES*16-1:0] a, input b_valid, input [STAGES*16-1:0] b, output pop,
    output push, output [LANES*16-1:0] out, input room
);
    integer k = 0, tile = 0, column = 0, drained = 0, s, l;
    reg signed [15:0] sum [0:2*STAGES*LANES-1];

    wire bank, sums, bank_room, sums_room;
    wire begins = k == 0, ends = k == K - 1;
    wire drain_begins = column == 0, drain_ends = column == STAGES - 1;
    account #(TILES * K) body(clk, a_valid && b_valid && (!begins || bank), !ends || sums_room, pop, );
    account #(TILES * STAGES) drain(clk, !drain_begins || sums, room && (!drain_ends || bank_room), push, );
    stream #(1, 1, 0, 2, 2) banks(clk, push && drain_ends, 1'b0, bank_room, bank, , pop && begins);
    stream #(1, STAGES, 0, 2, 0) sets(clk, pop && ends, 1'b0, sums_room, sums, , push && drain_begins);

    // The operands walk through the stages: stage s sees them s cycles after the first, with its own element of b.
    reg [LANES*16-1:0] a_at [0:STAGES-1];
    reg [STAGES*16-1:0] b_at [0:STAGES-1];
    reg [STAGES-1:0] works = 0, anew = 0, which = 0;
    always @(posedge clk) begin
        for (s = 0; s < STAGES; s = s + 1)
            if (s == 0 ? pop : works[s])
                for (l = 0; l < LANES; l = l + 1)
                    if (s == 0)
                        sum[((tile % 2) * STAGES) * LANES + l] <=
                            (begins ? 0 : sum[((tile % 2) * STAGES) * LANES + l])
                            + $signed(a[l*16 +: 16]) * $signed(b[15:0]);
                    else
                        sum[(which[s] * STAGES + s) * LANES + l] <=
                            (anew[s] ? 0 : sum[(which[s] * STAGES + s) * LANES + l])
                            + $signed(a_at[s][l*16 +: 16]) * $signed(b_at[s][s*16 +: 16]);
        for (s = STAGES - 1; s > 1; s = s - 1) begin
            a_at[s] <= a_at[s-1]; b_at[s] <= b_at[s-1];
            works[s] <= works[s-1]; anew[s] <= anew[s-1]; which[s] <= which[s-1];
        end
        a_at[1] <= a; b_at[1] <= b; works[1] <= pop; anew[1] <= begins; which[1] <= tile % 2;
        if (pop) begin
            k <= ends ? 0 : k + 1;
            if (ends) tile <= tile + 1;
        end
        if (push) begin
            column <= drain_ends ? 0 : column + 1;
            if (drain_ends) drained <= drained + 1;
        end
    end

    genvar g;
    generate
        for (g = 0; g < LANES; g = g + 1) begin : lanes
            assign out[g*16 +: 16] = sum[((drained % 2) * STAGES + column) * LANES + g];
        end
    endgenerate
endmodule
